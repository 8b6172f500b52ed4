/** Small analyses for tests: rows written by hand, or random ones. */
import type { RouteSource } from '../../webview/src/routes/routes';
import { decodeAnalysis } from '../../webview/src/analysis/payload';
import type { Analysis } from '../../webview/src/analysis/payload';
import { syntheticPayload } from '../../webview/dev/synthetic';
import type { SyntheticOptions } from '../../webview/dev/synthetic';

export interface RowText {
  /** [key, contributions by head] */
  attention?: [number, number[]][];
  residual?: number;
  bias?: number;
  mixer?: number;
  ffn?: number;
  ffnResidual?: number;
}

/** `rows[layer][t]`; what is not named is 0, except for a row's residuals, which are 1. */
export function sourceOf(rows: RowText[][], parallel = false): RouteSource {
  const nLayers = rows.length;
  const nTokens = rows[0]?.length ?? 0;
  const flat = rows.flat();
  const edges = { layer: [] as number[], query: [] as number[], key: [] as number[], weight: [] as number[] };
  const heads = { offset: [0], index: [] as number[], weight: [] as number[] };
  const rowOffset = [0];
  flat.forEach((row, r) => {
    for (const [key, contributions] of row.attention ?? []) {
      edges.layer.push(Math.floor(r / nTokens));
      edges.query.push(r % nTokens);
      edges.key.push(key);
      edges.weight.push(contributions.reduce((a, b) => a + b, 0));
      contributions.forEach((value, head) => {
        heads.index.push(head);
        heads.weight.push(value);
      });
      heads.offset.push(heads.index.length);
    }
    rowOffset.push(edges.key.length);
  });
  return {
    nLayers,
    nTokens,
    parallel,
    floor: 0,
    rowOffset: Uint32Array.from(rowOffset),
    columns: {
      edgeLayer: Uint16Array.from(edges.layer),
      edgeQuery: Uint32Array.from(edges.query),
      edgeKey: Uint32Array.from(edges.key),
      edgeWeight: Float32Array.from(edges.weight),
      headOffset: Uint32Array.from(heads.offset),
      headIndex: Uint16Array.from(heads.index),
      headWeight: Float32Array.from(heads.weight),
      attentionResidual: Float32Array.from(flat, (row) => row.residual ?? 1),
      attentionBias: Float32Array.from(flat, (row) => row.bias ?? 0),
      mixer: Float32Array.from(flat, (row) => row.mixer ?? 0),
      ffn: Float32Array.from(flat, (row) => row.ffn ?? 0),
      ffnResidual: Float32Array.from(flat, (row) => row.ffnResidual ?? (parallel ? 0 : 1)),
      known: new Uint16Array(0),
      predictionId: new Uint32Array(0),
      predictionProbability: new Float32Array(0),
      predictionLogit: new Float32Array(0),
    },
  };
}

export const randomAnalysis = (options: SyntheticOptions): Analysis => decodeAnalysis(syntheticPayload(options));

export function sourceOfAnalysis(analysis: Analysis): RouteSource {
  const { model, tokens } = analysis.meta;
  return {
    nLayers: model.nLayers,
    nTokens: tokens.length,
    parallel: model.parallel,
    floor: analysis.meta.floor,
    ...analysis,
  };
}
