/** The part of the routes that is drawn: one column per token or group, and the strongest edges between columns. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { MOST_EDGES, MOST_FOLDED, MOST_LINES, faintestDrawn } from './faintest';
import type { Analysis } from '../analysis/payload';
import type { Routes } from '../routes/routes';
import type { Ink } from '../routes/headTotals';
import { FOLD } from './grouping';
import type { Columns } from './grouping';
import type { EffectInk } from './sums';

/**
 * Attention edges between columns, from the top layer down. Where several token edges are one, its ink is their summed
 * flow, or by local contribution the strongest of them.
 */
export interface ShownEdges {
  count: number;
  layer: Uint16Array;
  query: Uint32Array;
  key: Uint32Array;
  ink: Float64Array;
  flow: Float64Array;
  /** The strongest of the token edges that each represents, as an index into the analysis' edges. */
  strongest: Uint32Array;
  /** How many token edges each represents; null: one. */
  members: Uint32Array | null;
  /** 1 where one of them stands out, FOLDED where it does and leads from or to a fold; null: all stand out. */
  vivid: Uint8Array | null;
}

/** Such a line stands back in the drawing, but can be pointed at. */
export const FOLDED = 2;

type WidthInk = Exclude<Ink, 'effect'>;

export interface Shown {
  analysis: Analysis;
  routes: Routes;
  /** What widths are, where effects do not give them. */
  ink: WidthInk;
  /** In ink effect, once effects are known. */
  effects: EffectInk | null;
  /** Effects are on their way. */
  awaited: boolean;
  columns: Columns;
  /** [(L+1)×C] summed mass at the residual nodes, row 0 the embeddings; 1 where one of them is reached. */
  mass: Float64Array;
  reached: Uint8Array;
  /** [L×C] ink of what stays at its token: summed flow, or the strongest contribution. */
  residual: Float64Array;
  mixer: Float64Array;
  ffn: Float64Array;
  ffnResidual: Float64Array;
  edges: ShownEdges;
  /** Edges between columns before the faintest were left out. */
  nEdges: number;
  /** Only the edges of one head stand out. */
  emphasised: boolean;
}

export function shownGraph(
  analysis: Analysis,
  routes: Routes,
  ink: WidthInk,
  columns: Columns,
  emphasis: Uint8Array | null = null,
  most = columns.kind ? MOST_FOLDED : columns.grouped ? MOST_LINES : MOST_EDGES,
): Shown {
  const flow = ink === 'flow';
  const values = {
    residual: flow ? routes.residualFlow : routes.residual,
    mixer: flow ? routes.mixerFlow : routes.mixer,
    ffn: flow ? routes.ffnFlow : routes.ffn,
    ffnResidual: flow ? routes.ffnResidualFlow : routes.ffnResidual,
  };
  const about = { analysis, routes, ink, columns, effects: null, awaited: false, emphasised: emphasis !== null };
  if (!columns.grouped) {
    const edges = tokenEdges(analysis, routes, ink, emphasis, most);
    return { ...about, ...values, mass: routes.mass, reached: routes.reached, edges, nEdges: routes.kept.length };
  }
  const join = flow ? summed : largest;
  const all = joinedEdges(analysis, routes, ink, columns, emphasis);
  return {
    ...about,
    mass: summed(routes.mass, columns),
    reached: Uint8Array.from(largest(routes.reached, columns)),
    residual: join(values.residual, columns),
    mixer: join(values.mixer, columns),
    ffn: join(values.ffn, columns),
    ffnResidual: join(values.ffnResidual, columns),
    edges: strongestOf(all, columns, most),
    nEdges: all.count,
  };
}

/** [R×T] → [R×C] */
function summed(values: Float64Array, { nColumns, first, of }: Columns): Float64Array {
  const nTokens = of.length;
  const sums = new Float64Array((values.length / nTokens) * nColumns);
  for (let start = 0, cell = 0; start < values.length; start += nTokens) {
    for (let column = 0; column < nColumns; column++, cell++) {
      let sum = 0;
      for (let t = start + first[column]!, end = start + first[column + 1]!; t < end; t++) sum += values[t]!;
      sums[cell] = sum;
    }
  }
  return sums;
}

function largest(values: Float64Array | Uint8Array, { nColumns, first, of }: Columns): Float64Array {
  const nTokens = of.length;
  const most = new Float64Array((values.length / nTokens) * nColumns);
  for (let start = 0, cell = 0; start < values.length; start += nTokens) {
    for (let column = 0; column < nColumns; column++, cell++) {
      for (let t = start + first[column]!, end = start + first[column + 1]!; t < end; t++)
        if (values[t]! > most[cell]!) most[cell] = values[t]!;
    }
  }
  return most;
}

function emptyEdges(capacity: number, joined: boolean, marked: boolean): ShownEdges {
  return {
    count: 0,
    layer: new Uint16Array(capacity),
    query: new Uint32Array(capacity),
    key: new Uint32Array(capacity),
    ink: new Float64Array(capacity),
    flow: new Float64Array(capacity),
    strongest: new Uint32Array(capacity),
    members: joined ? new Uint32Array(capacity) : null,
    vivid: marked ? new Uint8Array(capacity) : null,
  };
}

/** One column per token: an edge represents itself. */
function tokenEdges(
  { columns: { edgeLayer, edgeQuery, edgeKey } }: Analysis,
  { kept, keptWeight, keptFlow }: Routes,
  ink: WidthInk,
  emphasis: Uint8Array | null,
  most: number,
): ShownEdges {
  const values = ink === 'flow' ? keptFlow : keptWeight;
  const faintest = faintestDrawn(values, values.length, most);
  // Equal inks stay together, so that there may be some more than asked for.
  const capacity = Math.min(kept.length, 2 * most);
  const edges = emptyEdges(capacity, false, emphasis !== null);
  let n = 0;
  for (let i = 0; i < kept.length && n < capacity; i++) {
    const e = kept[i]!;
    if (values[i]! < faintest) continue;
    edges.layer[n] = edgeLayer[e]!;
    edges.query[n] = edgeQuery[e]!;
    edges.key[n] = edgeKey[e]!;
    edges.ink[n] = values[i]!;
    edges.flow[n] = keptFlow[i]!;
    edges.strongest[n] = e;
    if (edges.vivid) edges.vivid[n] = emphasis![e]!;
    n++;
  }
  edges.count = n;
  return edges;
}

/** Kept edges come by layer and query: those of one layer and query column follow each other, so one row is enough. */
function joinedEdges(
  { columns: { edgeLayer, edgeQuery, edgeKey } }: Analysis,
  { kept, keptWeight, keptFlow }: Routes,
  ink: WidthInk,
  { nColumns, of, kind }: Columns,
  emphasis: Uint8Array | null,
): ShownEdges {
  const flow = ink === 'flow';
  const values = flow ? keptFlow : keptWeight;
  const sum = new Float64Array(nColumns);
  const best = new Float64Array(nColumns);
  const strongest = new Uint32Array(nColumns);
  const members = new Uint32Array(nColumns);
  const vivid = new Uint8Array(nColumns);
  const touched = new Uint32Array(nColumns);
  let nTouched = 0;
  let edges = roomFor(emphasis !== null || kind !== null);
  let layer = -1;
  let query = -1;

  const flush = (): void => {
    if (edges.count + nTouched > edges.ink.length) edges = room = grown(edges, 2 * edges.ink.length + nTouched);
    for (let i = 0; i < nTouched; i++) {
      const key = touched[i]!;
      const n = edges.count++;
      edges.layer[n] = layer;
      edges.query[n] = query;
      edges.key[n] = key;
      edges.ink[n] = flow ? sum[key]! : best[key]!;
      edges.flow[n] = sum[key]!;
      edges.strongest[n] = strongest[key]!;
      edges.members![n] = members[key]!;
      if (edges.vivid) edges.vivid[n] = vivid[key]!;
      sum[key] = best[key] = members[key] = vivid[key] = 0;
    }
    nTouched = 0;
  };

  for (let i = 0; i < kept.length; i++) {
    const e = kept[i]!;
    const q = of[edgeQuery[e]!]!;
    if (q !== query || edgeLayer[e] !== layer) {
      flush();
      layer = edgeLayer[e]!;
      query = q;
    }
    const key = of[edgeKey[e]!]!;
    const value = values[i]!;
    if (members[key]!++ === 0) touched[nTouched++] = key;
    sum[key]! += keptFlow[i]!;
    if (value >= best[key]!) {
      best[key] = value;
      strongest[key] = e;
    }
    if (!emphasis || emphasis[e] === 1) vivid[key] = kind && (kind[q] === FOLD || kind[key] === FOLD) ? FOLDED : 1;
  }
  flush();
  return edges;
}

/** Lines before the strongest are taken: kept from one threshold to the next, for fresh memory is slow. */
let room = emptyEdges(4096, true, false);

function roomFor(marked: boolean): ShownEdges {
  if ((room.vivid !== null) !== marked) room = emptyEdges(room.ink.length, true, marked);
  room.count = 0;
  return room;
}

function grown(edges: ShownEdges, capacity: number): ShownEdges {
  const next = emptyEdges(capacity, edges.members !== null, edges.vivid !== null);
  next.count = edges.count;
  next.layer.set(edges.layer);
  next.query.set(edges.query);
  next.key.set(edges.key);
  next.ink.set(edges.ink);
  next.flow.set(edges.flow);
  next.strongest.set(edges.strongest);
  if (edges.members) next.members?.set(edges.members);
  if (edges.vivid) next.vivid?.set(edges.vivid);
  return next;
}

/** A line from or to a fold counts for so much less: it is the sum of many, and must not displace what has columns. */
const FOLDED_INK = 0.2;

/** A copy of about the `most` strongest. */
function strongestOf(edges: ShownEdges, columns: Columns, most: number): ShownEdges {
  const { vivid } = edges;
  const weighted = vivid !== null && edges.count > most && columns.kind !== null;
  const drawn = weighted
    ? edges.ink.slice(0, edges.count).map((ink, i) => (vivid[i] === FOLDED ? FOLDED_INK * ink : ink))
    : edges.ink;
  const faintest = faintestDrawn(drawn, edges.count, most);
  const capacity = Math.min(edges.count, 2 * most);
  const found = emptyEdges(capacity, edges.members !== null, edges.vivid !== null);
  let n = 0;
  for (let i = 0; i < edges.count && n < capacity; i++) {
    if (drawn[i]! < faintest) continue;
    found.layer[n] = edges.layer[i]!;
    found.query[n] = edges.query[i]!;
    found.key[n] = edges.key[i]!;
    found.ink[n] = edges.ink[i]!;
    found.flow[n] = edges.flow[i]!;
    found.strongest[n] = edges.strongest[i]!;
    if (found.members) found.members[n] = edges.members?.[i] ?? 1;
    if (found.vivid) found.vivid[n] = edges.vivid?.[i] ?? 0;
    n++;
  }
  found.count = n;
  return found;
}

/** The position in a column at which `values` (a row of T of them, beginning at `start`) are largest. */
export function strongestAt(columns: Columns, column: number, values: ArrayLike<number>, start: number): number {
  let best = columns.first[column]!;
  for (let t = best + 1; t < columns.first[column + 1]!; t++) if (values[start + t]! > values[start + best]!) best = t;
  return best;
}
