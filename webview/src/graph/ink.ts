/** The ink of a number: width and opacity grow with its square root, in a few steps that are drawn together. */

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
