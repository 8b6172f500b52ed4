/** Each head's contribution to the kept routes. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ViewState } from '../../../extension/shared/webview';
import { keptIn } from './routes';
import type { Routes, RouteSource } from './routes';

/** A line's strength shows the flow through it, or only its contribution. */
export type Ink = ViewState['ink'];

/** One head of one layer. */
export interface HeadRef {
  layer: number;
  head: number;
}

/**
 * Float64 [layer × head]. By flow: of every kept attention edge its flow times the head's share of the kept weight;
 * locally: the sum of the head's contributions to kept edges. Heads that the threshold drops count for nothing.
 */
export function headTotals(source: RouteSource, routes: Routes, nHeads: number, ink: Ink): Float64Array {
  const { edgeLayer, edgeWeight, headOffset, headIndex, headWeight } = source.columns;
  const totals = new Float64Array(source.nLayers * nHeads);
  const tau = leastPart(routes.threshold, routes.renormalize);
  for (let k = 0; k < routes.kept.length; k++) {
    const e = routes.kept[k]!;
    const [first, end] = [headOffset[e]!, headOffset[e + 1]!];
    let whole = 0;
    if (!routes.renormalize) whole = edgeWeight[e]!;
    else for (let i = first; i < end; i++) if (headWeight[i]! > tau) whole += headWeight[i]!;
    for (let i = first; i < end; i++) {
      const part = headWeight[i]!;
      if (part <= tau) continue;
      totals[edgeLayer[e]! * nHeads + headIndex[i]!]! += ink === 'flow' ? (routes.keptFlow[k]! * part) / whole : part;
    }
  }
  return totals;
}

/** Uint8 [E]: 1 where the head has a part that is kept at this threshold. */
export function edgesOfHead(source: RouteSource, head: HeadRef, threshold: number, renormalize: boolean): Uint8Array {
  const { headOffset, headIndex, headWeight, edgeKey } = source.columns;
  const marked = new Uint8Array(edgeKey.length);
  const tau = leastPart(threshold, renormalize);
  const first = source.rowOffset[head.layer * source.nTokens] ?? 0;
  const end = source.rowOffset[(head.layer + 1) * source.nTokens] ?? first;
  for (let e = first; e < end; e++) {
    for (let i = headOffset[e]!; i < headOffset[e + 1]!; i++) {
      if (headIndex[i] === head.head && headWeight[i]! > tau) marked[e] = 1;
    }
  }
  return marked;
}

export interface HeadEdge {
  edge: number;
  /** The head's contribution to it, before thresholding. */
  contribution: number;
  /** The flow that it carries through this head. */
  flow: number;
}

/** The kept edges of a head, most flow first. */
export function strongestEdges(source: RouteSource, routes: Routes, head: HeadRef, most: number): HeadEdge[] {
  const { edgeWeight, headOffset, headIndex, headWeight } = source.columns;
  const tau = leastPart(routes.threshold, routes.renormalize);
  const found: HeadEdge[] = [];
  const [first, end] = keptIn(source, routes, head.layer);
  for (let k = first; k < end; k++) {
    const edge = routes.kept[k]!;
    let whole = routes.renormalize ? 0 : edgeWeight[edge]!;
    let contribution = 0;
    for (let i = headOffset[edge]!; i < headOffset[edge + 1]!; i++) {
      const part = headWeight[i]!;
      if (part <= tau) continue;
      if (routes.renormalize) whole += part;
      if (headIndex[i] === head.head) contribution = part;
    }
    if (contribution > 0) found.push({ edge, contribution, flow: (routes.keptFlow[k]! * contribution) / whole });
  }
  return found.sort((a, b) => b.flow - a.flow).slice(0, most);
}

/** Renormalised, the threshold is for each head's part; else it is for the whole edge, and every listed part stays. */
const leastPart = (threshold: number, renormalize: boolean): number => (renormalize ? Math.fround(threshold) : 0);
