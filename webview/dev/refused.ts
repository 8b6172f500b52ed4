/** SYNTHETIC lens of a model that cannot be decomposed. */
import type { PlainLensResult } from '../../extension/shared/protocol';
import { packedNumbers } from './views';

const PROMPT = ['When', ' Mary', ' and', ' John', ' went', ' to', ' the', ' store', ',', ' John', ' gave', ' a'];
const GUESSES = [' Mary', ' the', ' drink', ' a', ' John', ' her', ' gift', ' his'];
const N_ROWS = 25;
const K = 5;

export function refusedLens(): PlainLensResult {
  const cells = Array.from({ length: N_ROWS * PROMPT.length * K }, (_, index) => {
    const [rank, token] = [index % K, Math.floor(index / K) % PROMPT.length];
    const row = Math.floor(index / K / PROMPT.length);
    const sure = (row / N_ROWS) ** 2 * (0.3 + 0.6 * ((token * 7) % 5) * 0.2);
    return { id: (token * 3 + rank + Math.floor(row / 6)) % GUESSES.length, share: sure / (1 + 3 * rank) };
  });
  const shape = [N_ROWS, PROMPT.length, K];
  return {
    model: 'falcon-mamba-7b',
    first: 0,
    tokens: PROMPT,
    texts: Object.fromEntries(GUESSES.map((text, id) => [id, text])),
    top: packedNumbers(
      Uint32Array.from(cells, ({ id }) => id),
      shape,
    ),
    topProbability: packedNumbers(
      Float32Array.from(cells, ({ share }) => share),
      shape,
    ),
  };
}
