/** Threshold, renormalise, reach and flow in one sweep from the target's last node down (docs: the method, section 3). */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { AnalysisColumns } from '../../../extension/shared/protocol';

/** The contributions of one analysis: L layers, T tokens, E attention edges. */
export interface RouteSource {
  nLayers: number;
  nTokens: number;
  /** No node after attention: attention, residual, bias, mixer and feed-forward share one row that leads into I(l, t). */
  parallel: boolean;
  /** Contributions up to this are not listed, so thresholds below it are not exact. */
  floor: number;
  columns: AnalysisColumns;
  /** [L×T+1] first edge of each row. */
  rowOffset: Uint32Array;
}

export interface RouteRules {
  target: number;
  threshold: number;
  renormalize: boolean;
}

/** The kept graph. Row r = l·T + t; a weight of 0 means: not kept, or not reached from the target. */
export interface Routes extends RouteRules {
  /** [E] of all attention edges; made when first asked for. */
  readonly attention: Float64Array;
  readonly attentionFlow: Float64Array;
  /** [L×T] the residual around attention, the bias, the feed-forward block and the residual around it. */
  residual: Float64Array;
  residualFlow: Float64Array;
  bias: Float64Array;
  biasFlow: Float64Array;
  /** [L×T] linear attention or a state space, one part per position. */
  mixer: Float64Array;
  mixerFlow: Float64Array;
  ffn: Float64Array;
  ffnFlow: Float64Array;
  ffnResidual: Float64Array;
  ffnResidualFlow: Float64Array;
  /** [(L+1)×T] mass at the residual nodes: row 0 the embeddings, row l+1 I(l, ·). */
  mass: Float64Array;
  /** [(L+1)×T] 1 where a residual node is reached; [L×T] the same for the nodes after attention. */
  reached: Uint8Array;
  reachedAttention: Uint8Array;
  /** Kept attention edges, layer by layer from the top. */
  kept: Uint32Array;
  /** [kept] */
  keptWeight: Float64Array;
  keptFlow: Float64Array;
  /** How many of them join different tokens. */
  crossEdges: number;
  /** Mass that arrived at biases, and mass that ended at rows which keep nothing. */
  biasMass: number;
  endedMass: number;
  /** The graph reaches rows that are not computed yet. */
  open: boolean;
}

/**
 * The graph that the target keeps at a threshold, with the flow of mass 1 from I(L−1, target). With `most`, layers under
 * one at which more than so many edges join different tokens are left out: enough to know that there are more.
 */
export function computeRoutes(source: RouteSource, rules: RouteRules, most = Infinity): Routes {
  const { nLayers, nTokens, parallel, columns } = source;
  const nEdges = columns.edgeKey.length;
  const nRows = nLayers * nTokens;
  let attention: Float64Array | null = null;
  let attentionFlow: Float64Array | null = null;
  const routes: Routes = {
    ...rules,
    get attention() {
      return (attention ??= spread(routes.kept, routes.keptWeight, nEdges));
    },
    get attentionFlow() {
      return (attentionFlow ??= spread(routes.kept, routes.keptFlow, nEdges));
    },
    residual: new Float64Array(nRows),
    residualFlow: new Float64Array(nRows),
    bias: new Float64Array(nRows),
    biasFlow: new Float64Array(nRows),
    mixer: new Float64Array(nRows),
    mixerFlow: new Float64Array(nRows),
    ffn: new Float64Array(nRows),
    ffnFlow: new Float64Array(nRows),
    ffnResidual: new Float64Array(nRows),
    ffnResidualFlow: new Float64Array(nRows),
    mass: new Float64Array(nRows + nTokens),
    reached: new Uint8Array(nRows + nTokens),
    reachedAttention: new Uint8Array(nRows),
    ...scratchFor(nEdges),
    crossEdges: 0,
    biasMass: 0,
    endedMass: 0,
    open: false,
  };
  // Contributions are float32: a threshold must be one too, or 0.1 would exceed 0.1.
  const tau = Math.fround(rules.threshold);
  let nKept = 0;

  routes.mass[nRows + rules.target] = 1;
  routes.reached[nRows + rules.target] = 1;
  for (let layer = nLayers - 1; layer >= 0 && routes.crossEdges <= most; layer--) {
    for (let t = rules.target; t >= 0; t--) {
      const row = layer * nTokens + t;
      if (!routes.reached[row + nTokens]) continue;
      if (columns.known.length > 0 && !columns.known[row]) {
        routes.open = true;
        routes.endedMass += routes.mass[row + nTokens]!;
        continue;
      }
      const ffn = keep(columns.ffn[row]!, tau);
      if (parallel) {
        nKept = passDown(source, routes, row, t, routes.mass[row + nTokens]!, ffn, tau, nKept);
      } else if (passToAttention(columns, routes, row, routes.mass[row + nTokens]!, ffn, tau)) {
        routes.reachedAttention[row] = 1;
        nKept = passDown(source, routes, row, t, routes.mass[row + nTokens]!, 0, tau, nKept);
      }
    }
  }
  routes.kept = routes.kept.slice(0, nKept);
  routes.keptWeight = routes.keptWeight.slice(0, nKept);
  routes.keptFlow = routes.keptFlow.slice(0, nKept);
  return routes;
}

type Kept = Pick<Routes, 'kept' | 'keptWeight' | 'keptFlow'>;
let scratch: Kept = { kept: new Uint32Array(), keptWeight: new Float64Array(), keptFlow: new Float64Array() };

/** Room for every edge, used again and again: fresh memory costs more than all that is written to it. */
function scratchFor(nEdges: number): Kept {
  if (scratch.kept.length < nEdges) {
    scratch = {
      kept: new Uint32Array(nEdges),
      keptWeight: new Float64Array(nEdges),
      keptFlow: new Float64Array(nEdges),
    };
  }
  return scratch;
}

function spread(kept: Uint32Array, values: Float64Array, nEdges: number): Float64Array {
  const all = new Float64Array(nEdges);
  for (let i = 0; i < kept.length; i++) all[kept[i]!] = values[i]!;
  return all;
}

const orders = new WeakMap<Float32Array, Uint32Array>();

/** [E] the edges of each row from the largest contribution down, so that a threshold ends the row; made once. */
function byWeight({ columns: { edgeWeight }, rowOffset }: RouteSource): Uint32Array {
  const known = orders.get(edgeWeight);
  if (known) return known;
  const order = new Uint32Array(edgeWeight.length);
  for (let row = 0; row + 1 < rowOffset.length; row++) {
    const [first, end] = [rowOffset[row]!, rowOffset[row + 1]!];
    for (let e = first; e < end; e++) {
      order[e] = e;
      if (end - first > INSERTED) continue;
      const weight = edgeWeight[e]!;
      let at = e;
      for (; at > first && edgeWeight[order[at - 1]!]! < weight; at--) order[at] = order[at - 1]!;
      order[at] = e;
    }
    if (end - first > INSERTED) order.subarray(first, end).sort((a, b) => edgeWeight[b]! - edgeWeight[a]!);
  }
  orders.set(edgeWeight, order);
  return order;
}

/** Rows up to this length are sorted by insertion, which is faster on so few. */
const INSERTED = 80;

const keep = (contribution: number, tau: number): number => (contribution > tau ? contribution : 0);

/** I(l, t) → A(l, t), through the feed-forward block and beside it; false where nothing is kept. */
function passToAttention(
  columns: AnalysisColumns,
  routes: Routes,
  row: number,
  mass: number,
  ffn: number,
  tau: number,
): boolean {
  const residual = keep(columns.ffnResidual[row]!, tau);
  const sum = ffn + residual;
  if (sum === 0) {
    routes.endedMass += mass;
    return false;
  }
  const scale = routes.renormalize ? 1 / sum : 1;
  routes.ffn[row] = ffn * scale;
  routes.ffnFlow[row] = (mass * ffn) / sum;
  routes.ffnResidual[row] = residual * scale;
  routes.ffnResidualFlow[row] = (mass * residual) / sum;
  return true;
}

/** One row of parts into A(l, t) (parallel blocks: into I(l, t), feed-forward included); returns the kept count. */
function passDown(
  source: RouteSource,
  routes: Routes,
  row: number,
  position: number,
  mass: number,
  ffn: number,
  tau: number,
  nKept: number,
): number {
  const { columns, rowOffset } = source;
  const { edgeKey, edgeWeight, headOffset, headWeight } = columns;
  const falling = byWeight(source);
  const first = rowOffset[row]!;
  const end = rowOffset[row + 1]!;
  const residual = keep(columns.attentionResidual[row]!, tau);
  const bias = keep(columns.attentionBias[row]!, tau);
  const mixer = keep(columns.mixer[row]!, tau);
  let sum = residual + bias + mixer + ffn;

  // Locals, and no call in the inner loops: this is where the slider's frame goes.
  const { renormalize, keptWeight, keptFlow, mass: masses, reached, kept } = routes;
  const firstKept = nKept;
  for (let i = first; i < end; i++) {
    const e = falling[i]!;
    const whole = edgeWeight[e]!;
    if (whole <= tau) break; // then no head exceeds it either, nor does any edge after it
    let weight = whole;
    if (renormalize) {
      weight = 0;
      for (let h = headOffset[e]!, last = headOffset[e + 1]!; h < last; h++) {
        const part = headWeight[h]!;
        if (part > tau) weight += part;
      }
      if (weight === 0) continue;
    }
    keptWeight[nKept] = weight;
    kept[nKept++] = e;
    sum += weight;
  }
  if (sum === 0) {
    routes.endedMass += mass;
    return nKept;
  }

  const scale = renormalize ? 1 / sum : 1;
  const below = row - position;
  for (let i = firstKept; i < nKept; i++) {
    const weight = keptWeight[i]!;
    const key = edgeKey[kept[i]!]!;
    const flow = (mass * weight) / sum;
    keptWeight[i] = weight * scale;
    keptFlow[i] = flow;
    masses[below + key]! += flow;
    reached[below + key] = 1;
    if (key !== position) routes.crossEdges++;
  }
  if (bias > 0) {
    routes.bias[row] = bias * scale;
    routes.biasFlow[row] = (mass * bias) / sum;
    routes.biasMass += routes.biasFlow[row]!;
  }
  if (mixer > 0) {
    routes.mixer[row] = mixer * scale;
    routes.mixerFlow[row] = (mass * mixer) / sum;
    routes.mass[row]! += routes.mixerFlow[row]!;
    routes.reached[row] = 1;
  }
  if (residual > 0) {
    routes.residual[row] = residual * scale;
    routes.residualFlow[row] = (mass * residual) / sum;
    routes.mass[row]! += routes.residualFlow[row]!;
    routes.reached[row] = 1;
  }
  if (ffn > 0) {
    routes.ffn[row] = ffn * scale;
    routes.ffnFlow[row] = (mass * ffn) / sum;
    routes.mass[row]! += routes.ffnFlow[row]!;
    routes.reached[row] = 1;
  }
  return nKept;
}

/** Where the kept attention edges of one layer begin and end: binary search, for they are kept from the top down. */
export function keptIn(
  { columns }: Pick<RouteSource, 'columns'>,
  { kept }: Pick<Routes, 'kept'>,
  layer: number,
): [number, number] {
  const above = (least: number) => (e: number) => columns.edgeLayer[e]! > least;
  return [firstAfter(kept, above(layer)), firstAfter(kept, above(layer - 1))];
}

/** The first index at which `before` no longer holds. */
export function firstAfter(items: Uint32Array, before: (item: number) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}
