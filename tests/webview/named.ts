/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Routes, RouteSource } from '../../webview/src/routes/routes';

/** Kept edges by name, "kind:source>target", with weight and flow. */
export function namedEdges(source: RouteSource, routes: Routes): Map<string, [number, number]> {
  const { columns, nTokens, parallel } = source;
  const edges = new Map<string, [number, number]>();
  const state = (layer: number, t: number): string => (layer < 0 ? `X0_${t}` : `I${layer}_${t}`);
  const add = (name: string, weight: number, flow: number): void => {
    if (weight > 0) edges.set(name, [weight, flow]);
  };
  columns.edgeKey.forEach((key, e) => {
    const [l, t] = [columns.edgeLayer[e]!, columns.edgeQuery[e]!];
    add(
      `attention:${state(l - 1, key)}>${parallel ? 'I' : 'A'}${l}_${t}`,
      routes.attention[e]!,
      routes.attentionFlow[e]!,
    );
  });
  for (let row = 0; row < source.nLayers * nTokens; row++) {
    const [l, t] = [Math.floor(row / nTokens), row % nTokens];
    const into = parallel ? `I${l}_${t}` : `A${l}_${t}`;
    add(`residual:${state(l - 1, t)}>${into}`, routes.residual[row]!, routes.residualFlow[row]!);
    add(`mixer:${state(l - 1, t)}>${into}`, routes.mixer[row]!, routes.mixerFlow[row]!);
    add(`bias:B${l}_${t}>${into}`, routes.bias[row]!, routes.biasFlow[row]!);
    add(`residual:A${l}_${t}>I${l}_${t}`, routes.ffnResidual[row]!, routes.ffnResidualFlow[row]!);
    add(`ffn:M${l}_${t}>I${l}_${t}`, routes.ffn[row]!, routes.ffnFlow[row]!);
    add(`ffn:${parallel ? state(l - 1, t) : `A${l}_${t}`}>M${l}_${t}`, routes.ffn[row]!, routes.ffnFlow[row]!);
  }
  return edges;
}
