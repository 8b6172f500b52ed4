/** Shared by all SYNTHETIC answers. Not part of the product. */
import type { Inspections } from '../../extension/shared/protocol';
import type { Method } from '../../extension/shared/webview';

/** A seeded random number generator: numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The size of what the page shows: set by the page. */
export const sizes = { nLayers: 30, nTokens: 15, nHeads: 9 };

export type Answers = {
  [M in Method]?: (params: Inspections[M]['params'], random: () => number) => Inspections[M]['result'];
};
