import { visibleText } from './visibleText';

export const HEAT_STEPS = 8;

/** A stretch of the document that flow arrives at. */
export interface Warmth {
  start: number;
  end: number;
  /** The share of the target's flow. */
  mass: number;
  /** 1 to `HEAT_STEPS`: the share beside the largest that has a place in the text. */
  step: number;
}

/**
 * The heat on a prompt's text. `masses`: the flow that arrives at each token.
 *
 * Tokens that share a character share its heat; tokens that are not in the text, like the first, do not count: the
 * flow that ends there would leave the text cold.
 */
export function heatOf(
  masses: readonly number[],
  rangeOf: (position: number) => { start: number; end: number } | null,
): Warmth[] {
  const found = new Map<string, { start: number; end: number; mass: number }>();
  for (const [position, mass] of masses.entries()) {
    const range = mass > 0 ? rangeOf(position) : null;
    if (!range) continue;
    const key = `${range.start}-${range.end}`;
    found.set(key, { ...range, mass: mass + (found.get(key)?.mass ?? 0) });
  }
  const stretches = [...found.values()];
  const most = stretches.reduce((largest, { mass }) => Math.max(largest, mass), 0);
  return stretches.flatMap((stretch) => {
    const step = Math.round((HEAT_STEPS * stretch.mass) / most);
    return step > 0 ? [{ ...stretch, step }] : [];
  });
}

/** What the hover over a token says. `target`: the text of the token whose prediction is explained. */
export function heatSentence(mass: number, target: string): string {
  return `${percentage(mass)} of the flow into ${visibleText(target)} arrives here`;
}

function percentage(share: number): string {
  const hundredths = share * 100;
  if (hundredths < 0.1) return '< 0.1 %';
  return `${hundredths < 0.95 ? hundredths.toFixed(1) : Math.round(hundredths)} %`;
}
