/** One node or edge of the graph in words and numbers, for tooltip, inspector, list and keyboard. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Analysis } from '../analysis/payload';
import type { LayerKind } from '../../../extension/shared/protocol';
import { MODEL, baseOf, detailOf, edgeName, expertOf, nodeRef, parseEdge, parseNode } from './names';
import type { EdgeRef, NodeRef } from './names';
import { firstAfter, keptIn } from '../routes/routes';
import type { Routes } from '../routes/routes';
import { effectWords } from './effect';
import type { Figure } from './effect';
import { share, tokenLabel } from './words';

export interface Numbers {
  /** The contribution before thresholding, as the analysis has it. */
  contribution: number;
  /** Its weight in the kept graph; 0 where it is not kept. */
  weight: number;
  flow: number;
}

/** Index of the attention edge (layer, query, key), or −1: binary search in its row. */
export function attentionIndex(analysis: Analysis, layer: number, query: number, key: number): number {
  const row = layer * analysis.meta.tokens.length + query;
  let low = analysis.rowOffset[row] ?? 0;
  let high = (analysis.rowOffset[row + 1] ?? 0) - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = analysis.columns.edgeKey[middle]!;
    if (found === key) return middle;
    if (found < key) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** The row whose part an edge is: the layer and the position of its upper end. */
const rowOf = (analysis: Analysis, edge: EdgeRef): number =>
  edge.target.layer * analysis.meta.tokens.length + edge.target.position;

export function edgeNumbers(analysis: Analysis, routes: Routes, edge: EdgeRef): Numbers {
  const { columns } = analysis;
  const row = rowOf(analysis, edge);
  const pick = (contribution: Float32Array, weight: Float64Array, flow: Float64Array, i: number): Numbers => ({
    contribution: contribution[i] ?? 0,
    weight: weight[i] ?? 0,
    flow: flow[i] ?? 0,
  });
  switch (edge.kind) {
    case 'attention': {
      const index = attentionIndex(analysis, edge.target.layer, edge.target.position, edge.source.position);
      const at = index < 0 ? -1 : keptAt(analysis, routes, index);
      return {
        contribution: columns.edgeWeight[index] ?? 0,
        weight: routes.keptWeight[at] ?? 0,
        flow: routes.keptFlow[at] ?? 0,
      };
    }
    case 'mixer':
      return pick(columns.mixer, routes.mixer, routes.mixerFlow, row);
    case 'bias':
      return pick(columns.attentionBias, routes.bias, routes.biasFlow, row);
    case 'ffn':
      return pick(columns.ffn, routes.ffn, routes.ffnFlow, row);
    case 'residual':
      return edge.source.letter === 'A'
        ? pick(columns.ffnResidual, routes.ffnResidual, routes.ffnResidualFlow, row)
        : pick(columns.attentionResidual, routes.residual, routes.residualFlow, row);
  }
}

/** The mass at a node; what a feed-forward block or a bias passes on is its flow. */
export function nodeMass(analysis: Analysis, routes: Routes, node: NodeRef): number {
  const nTokens = analysis.meta.tokens.length;
  const row = node.layer * nTokens + node.position;
  switch (node.letter) {
    case 'X':
      return routes.mass[node.position] ?? 0;
    case 'I':
      return routes.mass[row + nTokens] ?? 0;
    case 'A':
      return routes.reachedAttention[row] ? (routes.mass[row + nTokens] ?? 0) : 0;
    case 'M':
      return routes.ffnFlow[row] ?? 0;
    case 'B':
      return routes.biasFlow[row] ?? 0;
  }
}

/** All edges into a node (parts of its row), largest contribution first; only what the analysis lists. */
export function edgesInto(analysis: Analysis, node: NodeRef): EdgeRef[] {
  const { columns, rowOffset, meta } = analysis;
  const { parallel } = meta.model;
  const { layer, position, letter } = node;
  if (letter === 'X' || letter === 'B') return [];
  const own = (letter: 'I' | 'A' | 'M', at: number): NodeRef => nodeRef(letter, at, position);
  if (letter === 'M') return [{ kind: 'ffn', source: parallel ? own('I', layer - 1) : own('A', layer), target: node }];

  const row = layer * meta.tokens.length + position;
  const edges: { edge: EdgeRef; contribution: number }[] = [];
  const add = (kind: EdgeRef['kind'], source: NodeRef, contribution: number): void => {
    if (contribution > 0) edges.push({ edge: { kind, source, target: node }, contribution });
  };
  if (letter === 'I') add('ffn', own('M', layer), columns.ffn[row]!);
  if (letter === 'I' && !parallel) add('residual', own('A', layer), columns.ffnResidual[row]!);
  if (letter === 'A' || parallel) {
    add('residual', own('I', layer - 1), columns.attentionResidual[row]!);
    add('mixer', own('I', layer - 1), columns.mixer[row]!);
    add('bias', { letter: 'B', layer, position }, columns.attentionBias[row]!);
    for (let e = rowOffset[row]!; e < rowOffset[row + 1]!; e++) {
      add('attention', nodeRef('I', layer - 1, columns.edgeKey[e]!), columns.edgeWeight[e]!);
    }
  }
  return edges.sort((a, b) => b.contribution - a.contribution).map((entry) => entry.edge);
}

/** The index of an attention edge among the kept ones, or −1. */
function keptAt({ columns }: Pick<Analysis, 'columns'>, { kept }: Routes, edge: number): number {
  const [layer, query] = [columns.edgeLayer[edge]!, columns.edgeQuery[edge]!];
  const before = (e: number): boolean =>
    columns.edgeLayer[e]! > layer || (columns.edgeLayer[e] === layer && columns.edgeQuery[e]! > query);
  for (let i = firstAfter(kept, before); i < kept.length; i++) {
    if (kept[i] === edge) return i;
    if (columns.edgeLayer[kept[i]!] !== layer || columns.edgeQuery[kept[i]!] !== query) return -1;
  }
  return -1;
}

/** All kept edges out of a node, largest flow first. */
export function edgesOutOf(analysis: Analysis, routes: Routes, node: NodeRef): EdgeRef[] {
  const { meta, columns } = analysis;
  const { nLayers, parallel } = meta.model;
  const { position } = node;
  const out: EdgeRef[] = [];
  const add = (kind: EdgeRef['kind'], target: NodeRef): void => void out.push({ kind, source: node, target });
  if (node.letter === 'M') add('ffn', nodeRef('I', node.layer, position));
  else if (node.letter === 'B') add('bias', nodeRef(parallel ? 'I' : 'A', node.layer, position));
  else if (node.letter === 'A') {
    add('ffn', nodeRef('M', node.layer, position));
    add('residual', nodeRef('I', node.layer, position));
  } else {
    const above = node.letter === 'X' ? 0 : node.layer + 1;
    if (above >= nLayers) return [];
    add('residual', nodeRef(parallel ? 'I' : 'A', above, position));
    add('mixer', nodeRef(parallel ? 'I' : 'A', above, position));
    if (parallel) add('ffn', nodeRef('M', above, position));
    const [first, end] = keptIn(analysis, routes, above);
    for (const e of routes.kept.subarray(first, end)) {
      if (columns.edgeKey[e] !== position) continue;
      add('attention', nodeRef(parallel ? 'I' : 'A', above, columns.edgeQuery[e]!));
    }
  }
  const flow = (edge: EdgeRef): number => edgeNumbers(analysis, routes, edge).flow;
  return out.filter((edge) => flow(edge) > 0).sort((a, b) => flow(b) - flow(a));
}

/** The name of a mixer's edge, and a note about it. */
export const MIXER = 'linear attention or state-space mixer';
export const MIXER_NOTE =
  'One part per position: it carries information from earlier tokens, which is not split further.';

export function nodeTitle(node: NodeRef, kinds: readonly LayerKind[]): string {
  switch (node.letter) {
    case 'X':
      return 'token embedding';
    case 'I':
      return `residual after layer ${node.layer}`;
    case 'A':
      return `residual after ${mixing(kinds[node.layer])}, layer ${node.layer}`;
    case 'M':
      return `feed-forward block, layer ${node.layer}`;
    case 'B':
      return `attention bias, layer ${node.layer}`;
  }
}

/** The block before state A: the one that moves information between tokens in that layer. */
export function mixing(kind: LayerKind = 'attention'): string {
  return { attention: 'attention', mixer: 'the mixer', both: 'attention and mixer', neither: 'nothing' }[kind];
}

/** "layer 22"; the embedding has a name of its own. */
const level = (node: NodeRef): string => (node.letter === 'X' ? 'embedding' : `layer ${node.layer}`);

/**
 * A name as a sentence: "attention edge from ' Mary' layer 22 to ' to' layer 23, effect +2.75, measured, contribution
 * 0.37, flow 0.21".
 */
export function inWords(analysis: Analysis, routes: Routes, name: string, effect: Figure | null = null): string {
  const told = effect ? `${effectWords(effect)}, ` : '';
  const text = (position: number): string => `'${analysis.meta.tokens[position]?.text ?? ''}'`;
  const edge = parseEdge(name);
  if (edge) {
    const { contribution, flow } = edgeNumbers(analysis, routes, edge);
    const what = edge.kind === 'ffn' ? 'feed-forward' : edge.kind === 'mixer' ? MIXER : edge.kind;
    const from = `${text(edge.source.position)} ${level(edge.source)}`;
    const to = `${text(edge.target.position)} ${level(edge.target)}`;
    return `${what} edge from ${from} to ${to}, ${told}contribution ${share(contribution)}, flow ${share(flow)}`;
  }
  const node = parseNode(name);
  if (!node) return name;
  return `${insideOf(name)}${nodeTitle(node, analysis.meta.layerKinds)} at ${text(node.position)}, position ${node.position}, ${told}flow ${share(nodeMass(analysis, routes, node))}`;
}

/** "neuron 17 of expert 3 of ": the selection inside a feed-forward block. */
function insideOf(name: string): string {
  const [neuron, expert] = [detailOf(name), expertOf(name)];
  return `${neuron === null ? '' : `neuron ${neuron} of `}${expert === null ? '' : `${expertTitle(expert)} of `}`;
}

/** "expert 3", "shared expert". */
export function expertTitle(expert: string): string {
  return /^\d/.test(expert) ? `expert ${expert}` : expert.replace('shared', 'shared expert ').trim();
}

/** How many experts a layer's feed-forward block has; 0: neurons. */
export function expertsIn(analysis: Analysis, layer: number): number {
  return analysis.meta.model.nExperts[layer] ?? 0;
}

/** The chip text of the token at a position. */
export function labelAt(analysis: Analysis, position: number): string {
  const token = analysis.meta.tokens[position];
  return token ? tokenLabel(token, position) : '';
}

/** The CSS class of the token at a position: tokens of the chat template look different. */
export function tokenClass(analysis: Analysis, position: number): string {
  return analysis.meta.tokens[position]?.template ? 'token template' : 'token';
}

/** True where a stored name still points into this graph. */
export function exists(analysis: Analysis, name: string): boolean {
  const { nLayers, parallel } = analysis.meta.model;
  const inside = (node: NodeRef): boolean =>
    node.layer < nLayers && node.position < analysis.meta.tokens.length && !(parallel && node.letter === 'A');
  const edge = parseEdge(name);
  if (name === MODEL) return true;
  if (edge) return inside(edge.source) && inside(edge.target) && edgeName(edge) === baseOf(name);
  const node = parseNode(name);
  return node !== null && inside(node) && holds(analysis, node.layer, expertOf(name));
}

/** True where a layer has that expert, or none is named. */
function holds(analysis: Analysis, layer: number, expert: string | null): boolean {
  if (expert === null) return true;
  const experts = expertsIn(analysis, layer);
  return experts > 0 && (!/^\d/.test(expert) || Number(expert) < experts);
}
