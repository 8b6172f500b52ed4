/** The routes again, the plain way: objects, maps and recursion over edges. Slow, and the judge of the fast one. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { RouteRules, RouteSource } from '../../webview/src/routes/routes';

export interface PlainEdge {
  kind: 'attention' | 'residual' | 'ffn' | 'bias';
  source: string;
  target: string;
  weight: number;
  flow: number;
}

interface Part {
  kind: PlainEdge['kind'];
  source: string;
  contributions: number[];
}

const state = (layer: number, t: number): string => (layer < 0 ? `X0_${t}` : `I${layer}_${t}`);

/** Every part that leads into a node, before thresholding. */
function partsOf(source: RouteSource, node: string): Part[] {
  const { columns, nTokens, parallel } = source;
  const match = /^([AIM])(\d+)_(\d+)$/.exec(node);
  if (!match) return [];
  const [letter, l, t] = [match[1], Number(match[2]), Number(match[3])];
  const row = l * nTokens + t;
  const parts: Part[] = [];
  if (letter === 'I') parts.push({ kind: 'ffn', source: `M${l}_${t}`, contributions: [columns.ffn[row]!] });
  if (letter === 'I' && !parallel)
    parts.push({ kind: 'residual', source: `A${l}_${t}`, contributions: [columns.ffnResidual[row]!] });
  if (letter === 'M')
    parts.push({ kind: 'ffn', source: parallel ? state(l - 1, t) : `A${l}_${t}`, contributions: [1] });
  if (letter === 'A' || (letter === 'I' && parallel)) {
    parts.push({ kind: 'residual', source: state(l - 1, t), contributions: [columns.attentionResidual[row]!] });
    parts.push({ kind: 'bias', source: `B${l}_${t}`, contributions: [columns.attentionBias[row]!] });
    for (let e = 0; e < columns.edgeKey.length; e++) {
      if (columns.edgeLayer[e] !== l || columns.edgeQuery[e] !== t) continue;
      const heads = Array.from(columns.headWeight.subarray(columns.headOffset[e], columns.headOffset[e + 1]));
      const key = columns.edgeKey[e]!;
      const contributions = [columns.edgeWeight[e]!, ...heads];
      parts.push({ kind: 'attention', source: state(l - 1, key), contributions });
    }
  }
  return parts;
}

/** The kept parts of a node with their weights, by the rules of the method's section 3. */
function keptParts(source: RouteSource, rules: RouteRules, node: string): (Part & { weight: number })[] {
  if (node.startsWith('M')) {
    // The edge below a feed-forward block has the weight of the one above it.
    const above = keptParts(source, rules, node.replace('M', 'I')).find((part) => part.source === node);
    return partsOf(source, node).map((part) => ({ ...part, weight: above?.weight ?? 0 }));
  }
  const tau = Math.fround(rules.threshold);
  const kept = partsOf(source, node).map((part) => {
    const [whole = 0, ...heads] = part.contributions;
    const own = part.kind === 'attention' && rules.renormalize ? heads : [whole];
    return { ...part, weight: own.filter((c) => c > tau).reduce((a, b) => a + b, 0) };
  });
  const sum = kept.reduce((total, part) => total + part.weight, 0);
  const scale = rules.renormalize && sum > 0 ? 1 / sum : 1;
  return kept.filter((part) => part.weight > 0).map((part) => ({ ...part, weight: part.weight * scale }));
}

/** All kept, reached edges with weight and flow, by "source>target kind"; and where the mass ended. */
export function plainRoutes(
  source: RouteSource,
  rules: RouteRules,
): { edges: Map<string, PlainEdge>; ended: Map<string, number> } {
  const edges = new Map<string, PlainEdge>();
  const mass = new Map<string, number>();
  const ended = new Map<string, number>();
  const top = state(source.nLayers - 1, rules.target);
  mass.set(top, 1);
  // By height from the top: every edge leads from a higher node to a lower one.
  const height = (node: string): number => {
    const layer = Number(/\d+/.exec(node)![0]);
    return { X: -1, I: layer, M: layer - 0.25, A: layer - 0.5, B: -2 }[node[0] as 'X'];
  };
  const open = new Set([top]);
  while (open.size > 0) {
    const node = [...open].sort((a, b) => height(b) - height(a))[0]!;
    open.delete(node);
    const own = mass.get(node)!;
    const parts = keptParts(source, rules, node);
    if (parts.length === 0) ended.set(node, own);
    const sum = parts.reduce((total, part) => total + part.weight, 0);
    for (const part of parts) {
      const flow = (own * part.weight) / sum;
      const edge = { kind: part.kind, source: part.source, target: node, weight: part.weight, flow };
      edges.set(`${part.kind}:${part.source}>${node}`, edge);
      mass.set(part.source, (mass.get(part.source) ?? 0) + flow);
      open.add(part.source);
    }
  }
  return { edges, ended };
}
