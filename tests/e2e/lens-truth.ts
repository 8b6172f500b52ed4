import { expect } from 'vitest';

export interface Followed {
  text: string;
  probability: number[][];
  rank: number[][];
}

/** Row 0 is the embeddings, row n the output of layer n − 1. */
export interface LensTruth {
  top: string[][];
  topProbability: number[][];
  predicted: Followed;
  rival: Followed;
}

/** Counted from 1; far down logits are so near to each other that float32 moves a token by a rank or two. */
export function expectRank(shown: string | undefined, rank: number): void {
  const said = `${shown} for ${rank + 1}`;
  expect(Math.abs(Number(shown?.replaceAll(',', '')) - rank - 1), said).toBeLessThanOrEqual(Math.ceil(rank / 400));
}
