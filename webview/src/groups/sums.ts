/** Effects as they are drawn: summed where several token edges or blocks are one mark. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { MEASURED, UNKNOWN } from '../effects/table';
import type { EffectTable, Figures } from '../effects/table';
import type { UndrawnEdge } from '../effects/plan';
import type { Figure, Sum } from '../words/effect';

/** Sums by place; where nothing was added, nothing is known. */
export interface Sums {
  value: Float64Array;
  measured: Uint32Array;
  predicted: Uint32Array;
}

/** Edges that no route draws, between columns. */
export interface DashedEdges {
  count: number;
  layer: Uint16Array;
  query: Uint32Array;
  key: Uint32Array;
  sums: Sums;
  /** The strongest token edge of each. */
  strongest: UndrawnEdge[];
}

export interface EffectInk {
  table: EffectTable;
  /** Of the drawn attention edges. */
  edges: Sums;
  dashed: DashedEdges;
  /** [L×C] of drawn feed-forward blocks, and of those that were measured. */
  ffn: Sums;
  /** The largest |effect| of edges, drawn or dashed, and of blocks: kinds do not compare. */
  largestEdge: number;
  largestFfn: number;
}

export function noSums(length: number): Sums {
  return { value: new Float64Array(length), measured: new Uint32Array(length), predicted: new Uint32Array(length) };
}

export function add(sums: Sums, at: number, { value, measured }: Figure): void {
  sums.value[at]! += value;
  (measured ? sums.measured : sums.predicted)[at]!++;
}

/** Adds what is known at a place of a table. */
export function addFrom(sums: Sums, at: number, { value, how }: Figures, from: number): void {
  if (how[from] === UNKNOWN) return;
  sums.value[at]! += value[from]!;
  (how[from] === MEASURED ? sums.measured : sums.predicted)[at]!++;
}

/** The sum at a place; null where nothing is known. */
export function sumAt({ value, measured, predicted }: Sums, at: number): Sum | null {
  const sum = { value: value[at] ?? 0, measured: measured[at] ?? 0, predicted: predicted[at] ?? 0 };
  return sum.measured + sum.predicted === 0 ? null : sum;
}

export function largestOf({ value }: Sums, least = 0): number {
  let most = least;
  for (const each of value) most = Math.max(most, Math.abs(each));
  return most;
}
