/** Threshold, renormalise, reach and flow in one sweep from the target's last node down (docs: the method, section 3). */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { AnalysisColumns } from '../../../extension/shared/protocol';

/** The contributions of one analysis: L layers, T tokens, E attention edges. */
export interface RouteSource {
  nLayers: number;
  nTokens: number;
  /** No node after attention: attention, residual, bias, mixer and feed-forward share one row that leads into I(l, t). */
  parallel: boolean;
  /** What contributes no more than this is not listed: thresholds under it are not exact. */
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
  /** [E] */
  attention: Float64Array;
  attentionFlow: Float64Array;
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
  /** How many of them join different tokens. */
  crossEdges: number;
  /** Mass that arrived at biases, and mass that ended at rows which keep nothing. */
  biasMass: number;
  endedMass: number;
}

/** The graph that the target keeps at a threshold, with the flow of mass 1 from I(L−1, target). */
export function computeRoutes(source: RouteSource, rules: RouteRules): Routes {
  const { nLayers, nTokens, parallel, columns } = source;
  const nEdges = columns.edgeKey.length;
  const nRows = nLayers * nTokens;
  const routes: Routes = {
    ...rules,
    attention: new Float64Array(nEdges),
    attentionFlow: new Float64Array(nEdges),
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
    kept: new Uint32Array(nEdges),
    crossEdges: 0,
    biasMass: 0,
    endedMass: 0,
  };
  // Contributions are float32: a threshold must be one too, or 0.1 would exceed 0.1.
  const tau = Math.fround(rules.threshold);
  let nKept = 0;

  routes.mass[nRows + rules.target] = 1;
  routes.reached[nRows + rules.target] = 1;
  for (let layer = nLayers - 1; layer >= 0; layer--) {
    for (let t = rules.target; t >= 0; t--) {
      const row = layer * nTokens + t;
      if (!routes.reached[row + nTokens]) continue;
      const ffn = keep(columns.ffn[row]!, tau);
      if (parallel) {
        nKept = passDown(source, routes, row, t, routes.mass[row + nTokens]!, ffn, tau, nKept);
      } else if (passToAttention(columns, routes, row, routes.mass[row + nTokens]!, ffn, tau)) {
        routes.reachedAttention[row] = 1;
        nKept = passDown(source, routes, row, t, routes.mass[row + nTokens]!, 0, tau, nKept);
      }
    }
  }
  routes.kept = routes.kept.subarray(0, nKept);
  return routes;
}

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
  const first = rowOffset[row]!;
  const end = rowOffset[row + 1]!;
  const residual = keep(columns.attentionResidual[row]!, tau);
  const bias = keep(columns.attentionBias[row]!, tau);
  const mixer = keep(columns.mixer[row]!, tau);
  let sum = residual + bias + mixer + ffn;

  // Locals, and no call in the inner loops: this is where the slider's frame goes.
  const { renormalize, attention, attentionFlow, mass: masses, reached, kept } = routes;
  for (let e = first; e < end; e++) {
    const whole = edgeWeight[e]!;
    if (whole <= tau) continue; // then no head exceeds it either
    let weight = whole;
    if (renormalize) {
      weight = 0;
      for (let i = headOffset[e]!, last = headOffset[e + 1]!; i < last; i++) {
        const part = headWeight[i]!;
        if (part > tau) weight += part;
      }
      if (weight === 0) continue;
    }
    attention[e] = weight;
    sum += weight;
  }
  if (sum === 0) {
    routes.endedMass += mass;
    return nKept;
  }

  const scale = renormalize ? 1 / sum : 1;
  const below = row - position;
  for (let e = first; e < end; e++) {
    const weight = attention[e]!;
    if (weight === 0) continue;
    const key = edgeKey[e]!;
    const flow = (mass * weight) / sum;
    attention[e] = weight * scale;
    attentionFlow[e] = flow;
    masses[below + key]! += flow;
    reached[below + key] = 1;
    kept[nKept++] = e;
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
