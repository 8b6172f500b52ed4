/** How much ink a number gets: width and opacity grow with its square root, in a few steps drawn together. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */

export const INK_STEPS = 14;

/** A share in [0, 1] → step 0 … INK_STEPS − 1. */
export function inkStep(value: number): number {
  const step = Math.ceil(Math.sqrt(value) * INK_STEPS) - 1;
  return step < 0 ? 0 : step >= INK_STEPS ? INK_STEPS - 1 : step;
}

/** The middle of a step, as strength in (0, 1]. */
export const strengthOf = (step: number): number => (step + 1) / INK_STEPS;

/** So many attention edges are drawn at most, the strongest: more are too faint to see and cost the frame. */
export const MOST_EDGES = 20000;
/** Lines between groups are fewer and longer. */
export const MOST_LINES = 8000;
/** A float32's exponent and the first three bits of its mantissa: eight bins an octave, without a logarithm. */
const BIN_SHIFT = 20;
const N_BINS = 1 << 11;
const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

/** The ink that about `most` of the first `n` reach, to an eighth of an octave; 0 where there are no more than that. */
export function faintestDrawn(ink: ArrayLike<number>, n: number, most: number): number {
  if (n <= most) return 0;
  const bins = new Uint32Array(N_BINS);
  for (let i = 0; i < n; i++) {
    asFloat[0] = ink[i]!;
    bins[asBits[0]! >>> BIN_SHIFT]!++;
  }
  let count = 0;
  for (let bin = N_BINS - 1; bin >= 0; bin--) {
    count += bins[bin]!;
    if (count <= most) continue;
    asBits[0] = bin << BIN_SHIFT;
    return asFloat[0]!;
  }
  return 0;
}

/** Strokes up to a pixel wide are hairlines, which draw several times faster; the many weak edges are such. */
const HAIRLINE_STRENGTH = 0.25;

/** Line width in pixels. */
export function lineWidth(strength: number, contrast: boolean): number {
  const width = (contrast ? 1 : 0.6) + strength * 4;
  return strength < HAIRLINE_STRENGTH ? Math.min(1, width) : width;
}

/** Opacity: faint is felt, strong is seen. */
export function opacity(strength: number, contrast: boolean): number {
  const grown = Math.min(1, 1.8 * strength);
  return contrast ? 0.4 + 0.6 * grown : 0.1 + 0.9 * grown;
}

/** From this many edges on, the weak ones get fainter: thousands on top of each other must not outshout a strong one. */
const CROWD = 1000;

export const crowdOpacity = (count: number): number => Math.min(1, Math.sqrt(CROWD / Math.max(1, count)));
