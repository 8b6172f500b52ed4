/** The lens grid's numbers, cell by cell: row 0 is the embedding, row l + 1 the residual after layer l. */
import type { LensGridResult } from '../../../extension/shared/protocol';
import { numbersOf } from '../analysis/arrays';
import { nodeName, nodeRef, parseEdge, parseNode } from '../words/names';
import type { NodeRef } from '../words/names';
import { probabilityStrength, rankStrength } from './scale';

export type LensColour = 'top' | 'probability' | 'rank';

export interface LensCells {
  nRows: number;
  nTokens: number;
  /** The rows from here on are known; those under it are still being computed. */
  firstRow: number;
  /** The text of each token in `top`, by token id. */
  texts: Readonly<Record<number, string>>;
  /** [nRows × nTokens]: ids */
  top: ArrayLike<number>;
  topProbability: ArrayLike<number>;
  topLogit: ArrayLike<number>;
  /** The least and the largest logit if logits are shown; null if probabilities are. */
  range: [number, number] | null;
  /** Of the followed token; null where none is followed. */
  followed: { token: number; probability: ArrayLike<number>; rank: ArrayLike<number> } | null;
}

/**
 * The cells of as many stretches of rows as are there, from the last row down; null of none.
 * Throws `ArrayError` where an answer is not of this analysis.
 */
export function lensCells(
  results: LensGridResult[],
  nLayers: number,
  nTokens: number,
  asValues = false,
): LensCells | null {
  const [first] = results;
  if (!first) return null;
  const nRows = nLayers + 1;
  const size = nRows * nTokens;
  const cells = {
    top: new Uint32Array(size),
    topProbability: new Float32Array(size),
    topLogit: new Float32Array(size),
    probability: new Float32Array(size),
    rank: new Uint32Array(size),
  };
  const texts: Record<number, string> = {};
  let firstRow = nRows;
  for (const result of results) {
    const shape = [firstRow - result.firstRow, nTokens];
    const at = result.firstRow * nTokens;
    cells.top.set(numbersOf(result.top, 'uint32', shape), at);
    cells.topProbability.set(numbersOf(result.topProbability, 'float32', shape), at);
    cells.topLogit.set(numbersOf(result.topLogit, 'float32', shape), at);
    if (result.tokenProbability && result.tokenRank) {
      cells.probability.set(numbersOf(result.tokenProbability, 'float32', shape), at);
      cells.rank.set(numbersOf(result.tokenRank, 'uint32', shape), at);
    }
    Object.assign(texts, result.texts);
    firstRow = result.firstRow;
  }
  const { top, topProbability, topLogit, probability, rank } = cells;
  return {
    ...{ nRows, nTokens, firstRow, texts, top, topProbability, topLogit },
    range: asValues ? rangeOf(topLogit.subarray(firstRow * nTokens)) : null,
    followed: first.token === null ? null : { token: first.token, probability, rank },
  };
}

function rangeOf(values: Float32Array): [number, number] {
  const all = Array.from(values);
  return [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), -Infinity)];
}

/** How strongly a cell is coloured, 0 … 1. */
export function cellStrength(cells: LensCells, index: number, colour: LensColour): number {
  if (cells.range) {
    const [low, high] = cells.range;
    return ((cells.topLogit[index] ?? low) - low) / Math.max(1e-9, high - low);
  }
  if (colour === 'top' || !cells.followed) return probabilityStrength(cells.topProbability[index] ?? 0);
  if (colour === 'probability') return probabilityStrength(cells.followed.probability[index] ?? 0);
  return rankStrength(cells.followed.rank[index] ?? Infinity);
}

/** The residual state whose lens represents a node: for A, M and B the state after their layer. */
export function residualOf(node: NodeRef): NodeRef {
  return node.letter === 'X' ? node : nodeRef('I', node.layer, node.position);
}

/** The cells that a selection is about: a node's own, both ends of an edge. */
export function cellsOf(name: string): NodeRef[] {
  const edge = parseEdge(name);
  if (edge) return [residualOf(edge.source), residualOf(edge.target)];
  const node = parseNode(name);
  return node ? [residualOf(node)] : [];
}

export const rowOfNode = (node: NodeRef): number => (node.letter === 'X' ? 0 : node.layer + 1);

/** `row` 0 is the embedding. */
export const cellName = (row: number, position: number): string => nodeName(nodeRef('I', row - 1, position));
