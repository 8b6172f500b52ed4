import type { SurprisalResult } from '../../shared/protocol';
import { visibleText } from './visibleText';

export const HEAT_STEPS = 8;
/** Bits of surprisal from one step to the next. */
export const BITS_PER_STEP = 2;

/** A stretch of the document that is heated. */
export interface Warmth {
  start: number;
  end: number;
  /** 1 to `HEAT_STEPS`. */
  step: number;
  /** The hover's text; empty where another hover gives it. */
  words: string;
}

/**
 * The flow as heat on a prompt's text. `masses`: the flow that arrives at each token; `target`: the text of the token
 * whose prediction is explained; `model`: by whose routes. Steps: the share relative to the largest that has a place in the text.
 *
 * Tokens that share a character share its heat; tokens that are not in the text, like the first, do not count: the
 * flow that ends there would leave the text cold.
 */
export function flowHeat(
  masses: readonly number[],
  target: string,
  model: string,
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
  return stretches.flatMap(({ start, end, mass }) => {
    const step = Math.round((HEAT_STEPS * mass) / most);
    return step > 0 ? [{ start, end, step, words: flowSentence(mass, target, model) }] : [];
  });
}

/** Surprisal as heat, on the same scale for every prompt; a token with nothing before it (null) stays cold. */
export function surprisalHeat(found: Pick<SurprisalResult, 'model' | 'start' | 'end' | 'surprisal'>): Warmth[] {
  return found.surprisal.flatMap((bits, index) => {
    if (bits === null) return [];
    const step = Math.min(HEAT_STEPS, Math.round(bits / BITS_PER_STEP));
    const [start, end] = [found.start[index] ?? 0, found.end[index] ?? 0];
    return step > 0 ? [{ start, end, step, words: surprisalSentence(bits, found.model) }] : [];
  });
}

/** The text of the hover over a token. */
export function flowSentence(mass: number, target: string, model: string): string {
  return `${percentage(mass)} of the flow into ${visibleText(target)} arrives here${model && ` (${model})`}`;
}

function surprisalSentence(bits: number, model: string): string {
  return `Surprisal ${bits.toFixed(1)} bits: ${model || 'the model'} gave this ${percentage(2 ** -bits)}`;
}

export function percentage(share: number): string {
  const hundredths = share * 100;
  if (hundredths < 0.1) return '< 0.1 %';
  return `${hundredths < 0.95 ? hundredths.toFixed(1) : Math.round(hundredths)} %`;
}
