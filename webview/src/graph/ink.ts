/** The ink of a number: width and opacity grow with its square root, in a few steps that are drawn together. */

import type { Seen } from './contrast';

export const INK_STEPS = 14;

/** A share in [0, 1] → step 0 … INK_STEPS − 1. */
export function inkStep(value: number): number {
  const step = Math.ceil(Math.sqrt(value) * INK_STEPS) - 1;
  return step < 0 ? 0 : step >= INK_STEPS ? INK_STEPS - 1 : step;
}

/** The middle of a step, as strength in (0, 1]. */
export const strengthOf = (step: number): number => (step + 1) / INK_STEPS;

/** Strokes up to a pixel wide are hairlines, which draw several times faster; the many weak edges are such. */
const HAIRLINE_STRENGTH = 0.25;

/** The strongest marks of a kind are plain to see, this many of them. */
const PLAIN = 10;
/** Strengths from here on are plain in any case, and have all the ink there is. */
const PLAIN_STRENGTH = 0.55;
const PLAIN_WIDTH = 2;

/** The strength from which on marks are plain: that of the tenth strongest, given how many there are of each step. */
export function plainFrom(counts: readonly number[]): number {
  let sum = 0;
  for (let step = counts.length - 1; step >= 0; step--) {
    sum += counts[step] ?? 0;
    if (sum >= PLAIN) return Math.min(PLAIN_STRENGTH, strengthOf(step));
  }
  return sum > 0 ? strengthOf(0) : PLAIN_STRENGTH;
}

/** Line width in pixels. */
export function lineWidth(strength: number, contrast: boolean, plain = PLAIN_STRENGTH): number {
  const width = (contrast ? 1 : 0.6) + strength * 4;
  if (strength >= plain) return Math.max(PLAIN_WIDTH, width);
  return strength < HAIRLINE_STRENGTH ? 1 : width;
}

/** Opacity: the faintest is seen, and from `plain` on it is plain. */
export function opacity(strength: number, { least, strong }: Seen, plain = PLAIN_STRENGTH): number {
  if (strength < plain) return least + ((strong - least) * strength) / plain;
  const rise = (strength - plain) / Math.max(1e-9, PLAIN_STRENGTH - plain);
  return strong + (1 - strong) * Math.min(1, rise);
}

/** From this many edges on, the weak ones get fainter: thousands on top of each other must not outshout a strong one. */
const CROWD = 1000;

export const crowdOpacity = (count: number): number => Math.min(1, Math.sqrt(CROWD / Math.max(1, count)));
