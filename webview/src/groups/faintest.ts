/** How many edges are drawn at most, and the ink of the faintest of them. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */

/** Only this many attention edges are drawn, the strongest: more are too faint to see and too slow to draw. */
export const MOST_EDGES = 20000;
/** Lines between groups are fewer and longer. */
export const MOST_LINES = 8000;
/** Between columns and folds, where most lines are faint and what matters has columns. */
export const MOST_FOLDED = 2500;
/** A float32's exponent and the first three bits of its mantissa: eight bins an octave, without a logarithm. */
const BIN_SHIFT = 20;
const N_BINS = 1 << 11;
const asFloat = new Float32Array(1);
const asBits = new Uint32Array(asFloat.buffer);

/** The ink that about `most` of the first `n` edges reach, to an eighth of an octave; 0 if there are no more edges. */
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
