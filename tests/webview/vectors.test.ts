import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { autoThreshold } from '../../webview/src/routes/auto';
import { computeRoutes } from '../../webview/src/routes/routes';
import type { RouteSource } from '../../webview/src/routes/routes';
import { namedEdges } from './named';

/** The files that the Python tests read too: see tests/vectors/README.md. */
const folder = new URL('../vectors/', import.meta.url);

interface Contributions {
  n_layers: number;
  n_tokens: number;
  parallel: boolean;
  floor: number;
  edge_layer: number[];
  edge_query: number[];
  edge_key: number[];
  edge_weight: number[];
  head_offset: number[];
  head_index: number[];
  head_weight: number[];
  attention_residual: number[][];
  attention_bias: number[][];
  ffn: number[][];
  ffn_residual: number[][];
  /** Only where the model has a mixer. */
  mixer?: number[][];
}

interface Case {
  target: number;
  threshold: number | 'auto';
  renormalize: boolean;
  expected: {
    threshold: number;
    edges: { source: string; target: string; kind: string; weight: number; flow: number }[];
    token_mass: number[];
    bias_mass: number;
    ended_mass: number;
  };
}

function sourceOf(given: Contributions): RouteSource {
  const rows = given.n_layers * given.n_tokens;
  const rowOffset = new Uint32Array(rows + 1);
  given.edge_layer.forEach((layer, e) => {
    const row = layer * given.n_tokens + (given.edge_query[e] ?? 0);
    rowOffset.fill(e + 1, row + 1);
  });
  return {
    nLayers: given.n_layers,
    nTokens: given.n_tokens,
    parallel: given.parallel,
    floor: given.floor,
    rowOffset,
    columns: {
      edgeLayer: Uint16Array.from(given.edge_layer),
      edgeQuery: Uint32Array.from(given.edge_query),
      edgeKey: Uint32Array.from(given.edge_key),
      edgeWeight: Float32Array.from(given.edge_weight),
      headOffset: Uint32Array.from(given.head_offset),
      headIndex: Uint16Array.from(given.head_index),
      headWeight: Float32Array.from(given.head_weight),
      attentionResidual: Float32Array.from(given.attention_residual.flat()),
      attentionBias: Float32Array.from(given.attention_bias.flat()),
      mixer: Float32Array.from(given.mixer?.flat() ?? new Array<number>(rows).fill(0)),
      ffn: Float32Array.from(given.ffn.flat()),
      ffnResidual: Float32Array.from(given.ffn_residual.flat()),
      known: new Uint16Array(0),
      predictionId: new Uint32Array(0),
      predictionProbability: new Float32Array(0),
      predictionLogit: new Float32Array(0),
    },
  };
}

const TOLERANCE = 1e-7;
const close = (a: number, b: number): boolean => Math.abs(a - b) <= TOLERANCE;

describe.each(readdirSync(folder).filter((name) => name.endsWith('.json')))('the shared vector %s', (file) => {
  const vector = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as {
    contributions: Contributions;
    cases: Case[];
  };
  const source = sourceOf(vector.contributions);

  it.each(vector.cases)('target $target, threshold $threshold, renormalize $renormalize', (given) => {
    const { target, renormalize, expected } = given;
    const threshold = given.threshold === 'auto' ? autoThreshold(source, target, renormalize) : given.threshold;
    expect(threshold).toBe(expected.threshold);
    const routes = computeRoutes(source, { target, threshold, renormalize });
    const edges = namedEdges(source, routes);
    const wanted = new Map(expected.edges.map((edge) => [`${edge.kind}:${edge.source}>${edge.target}`, edge]));
    expect([...edges.keys()].sort()).toEqual([...wanted.keys()].sort());
    const off = [...wanted].filter(([name, edge]) => {
      const [weight = NaN, flow = NaN] = edges.get(name) ?? [];
      return !close(weight, edge.weight) || !close(flow, edge.flow);
    });
    expect(off).toEqual([]);
    expected.token_mass.forEach((mass, t) => expect(close(routes.mass[t] ?? NaN, mass)).toBe(true));
    expect(close(routes.biasMass, expected.bias_mass)).toBe(true);
    expect(close(routes.endedMass, expected.ended_mass)).toBe(true);
  });
});
