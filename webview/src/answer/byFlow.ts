/** What a position read, by flow: a reading aid, said in words that claim no cause. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Analysis } from '../analysis/payload';
import type { Routes } from '../routes/routes';
import { asFirst, edgePart, headParts, joined, later, rests, tokenPart, words } from './parts';
import type { Part, ReadEdge } from './parts';
import { thresholdText } from '../words/words';

/** A token that a position reads: the flow over all edges from it, and these edges, strongest first. */
interface Source {
  key: number;
  flow: number;
  edges: (ReadEdge & { flow: number })[];
}

/** The tokens that a position reads on kept edges, most flow first; not itself. */
export function sourcesOf({ columns }: Analysis, routes: Routes, position: number): Source[] {
  const { edgeLayer, edgeQuery, edgeKey } = columns;
  const found = new Map<number, Source>();
  routes.kept.forEach((e, i) => {
    if (edgeQuery[e] !== position || edgeKey[e] === position) return;
    const [key, flow] = [edgeKey[e]!, routes.keptFlow[i]!];
    const source = found.get(key) ?? { key, flow: 0, edges: [] };
    source.flow += flow;
    source.edges.push({ layer: edgeLayer[e]!, key, flow });
    found.set(key, source);
  });
  for (const { edges } of found.values()) edges.sort((a, b) => b.flow - a.flow);
  return [...found.values()].sort((a, b) => b.flow - a.flow);
}

/** So much larger than the next one that it is most of the story. */
export const MOSTLY = 1.5;
const MOST_OTHERS = 2;
/** A token with less than this part of the first one's flow is not named. */
const LEAST = 0.15;
/** From this part of a token's flow on, its strongest edge stands for all. */
const ALONE = 0.5;

export function byFlow(analysis: Analysis, routes: Routes, position: number): Part[] {
  const nothing = whyNothing(analysis, routes, position);
  const sources = sourcesOf(analysis, routes, position);
  // where heads rest is named last: it says nothing about the text
  const ordered = [...sources.filter(({ key }) => !rests(analysis, key)), ...sources.filter(({ key }) => rests(analysis, key))]; // prettier-ignore
  const [first, ...rest] = ordered;
  if (!first) return [words(`; ${nothing}`)];
  const others = rest.filter(({ flow }) => flow >= LEAST * first.flow).slice(0, MOST_OTHERS);
  const second = others.reduce((most, { flow }) => Math.max(most, flow), 0);
  const named = (source: Source): Part[] => [tokenPart(analysis, source.key), ...asFirst(analysis, source.key)];
  const lead = [...named(first), words(' through '), ...way(analysis, routes, position, first)];
  if (first.flow >= MOSTLY * second) {
    const then = others.length > 0 ? later([words('; then '), ...joined(others.map(named), ', ')]) : [];
    return [words(', flow mostly from '), ...lead, ...then];
  }
  return [words(', flow from '), ...joined([lead, ...others.map(named)], ', ', ' and ')];
}

/** "L23 H0, H1, H7", or "L11, L9, L12" where no edge alone carries the most. */
function way(analysis: Analysis, routes: Routes, position: number, { flow, edges }: Source): Part[] {
  const [strongest] = edges;
  if (!strongest) return [];
  if (strongest.flow < ALONE * flow)
    return joined(
      edges.slice(0, 3).map((edge) => [edgePart(analysis, position, edge, `L${edge.layer}`)]),
      ', ',
    );
  const heads = headParts(analysis, routes, position, strongest);
  const layer = edgePart(analysis, position, strongest, `L${strongest.layer}`);
  return heads.length > 0 ? [layer, words(' '), ...heads] : [layer];
}

/** Why a position reads no other token on a kept edge. */
export function whyNothing({ meta }: Analysis, routes: Routes, position: number): string {
  if (position === 0) return 'no token comes before it';
  if (routes.open) return 'its routes are still being computed';
  const { layerKinds } = meta;
  const isBlind = layerKinds.length > 0 && layerKinds.every((kind) => kind === 'mixer' || kind === 'neither');
  if (isBlind) return 'this model mixes tokens without attention, so no route names what was read';
  return `no attention edge into it is above the threshold ${thresholdText(routes.threshold)}`;
}
