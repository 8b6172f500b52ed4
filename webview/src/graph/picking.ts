/** What lies under the pointer. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Analysis } from '../payload';
import { attentionEdgeName, edgeName, nodeName, nodeRef } from '../names';
import type { Routes } from '../routes/routes';
import { distanceToEdge, ffnReach, loopReach } from './curves';
import type { Frame } from './layout';
import { columnAt, columnX, levelY } from './layout';

const NODE_REACH = 7;
const EDGE_REACH = 6;
const DOT_REACH = 5;
/** A strong edge may be this many pixels further away than a faint one and still be meant. */
const STRENGTH_BONUS = 3;

/** The name of the node or edge at (x, y) on the stage: what is kept first, then any dot; null for nothing. */
export function pick(
  analysis: Analysis,
  routes: Routes,
  frame: Frame,
  x: number,
  y: number,
  emphasis: Uint8Array | null = null,
): string | null {
  const { plot } = frame;
  if (x < plot.x || x > plot.x + plot.width || y < plot.y || y > plot.y + plot.height) return null;
  return (
    pickNode(analysis, routes, frame, x, y, true) ??
    pickFeedForward(analysis, routes, frame, x, y) ??
    pickAttention(analysis, routes, frame, x, y, emphasis) ??
    pickMixer(analysis, routes, frame, x, y) ??
    pickResidual(analysis, routes, frame, x, y) ??
    pickNode(analysis, routes, frame, x, y, false)
  );
}

function pickNode(
  analysis: Analysis,
  routes: Routes,
  frame: Frame,
  x: number,
  y: number,
  keptOnly: boolean,
): string | null {
  const nTokens = analysis.meta.tokens.length;
  const { nLayers, parallel } = analysis.meta.model;
  const position = columnAt(frame, nTokens, x);
  if (position < 0) return null;
  const half = (frame.y0 - y) / frame.dy;
  const reach = Math.min(keptOnly ? NODE_REACH : DOT_REACH, frame.dy * 0.3);
  const layer = Math.round(half);
  if (layer >= -1 && layer < nLayers && near(frame, position, layer, x, y, reach)) {
    if (!keptOnly || routes.reached[(layer + 1) * nTokens + position]) return nodeName(nodeRef('I', layer, position));
  }
  const upper = Math.round(half + 0.5);
  if (parallel || upper < 0 || upper >= nLayers || !near(frame, position, upper - 0.5, x, y, reach)) return null;
  if (keptOnly && !routes.reachedAttention[upper * nTokens + position]) return null;
  return nodeName(nodeRef('A', upper, position));
}

const near = (frame: Frame, position: number, level: number, x: number, y: number, reach: number): boolean =>
  Math.hypot(x - columnX(frame, position), y - levelY(frame, level)) <= reach;

function pickFeedForward(analysis: Analysis, routes: Routes, frame: Frame, x: number, y: number): string | null {
  const nTokens = analysis.meta.tokens.length;
  const offset = ffnReach(frame.dx);
  const position = columnAt(frame, nTokens, x - offset);
  const layer = Math.round((frame.y0 - y) / frame.dy + 0.25);
  if (position < 0 || layer < 0 || layer >= analysis.meta.model.nLayers) return null;
  if (!routes.ffn[layer * nTokens + position]) return null;
  const distance = Math.hypot(x - columnX(frame, position) - offset, y - levelY(frame, layer - 0.25));
  return distance <= Math.min(6, Math.max(3, frame.dy * 0.3)) ? nodeName(nodeRef('M', layer, position)) : null;
}

function pickAttention(
  analysis: Analysis,
  routes: Routes,
  frame: Frame,
  x: number,
  y: number,
  emphasis: Uint8Array | null,
): string | null {
  const { columns, rowOffset, meta } = analysis;
  const { nLayers, parallel } = meta.model;
  const nTokens = meta.tokens.length;
  const rise = parallel ? 1 : 0.5;
  const loop = loopReach(frame.dx);
  // Edges of layer l lie between levels l − 1 and l − 1 + rise.
  const reachLevels = (EDGE_REACH + STRENGTH_BONUS) / frame.dy;
  const level = (frame.y0 - y) / frame.dy;
  const lowest = Math.max(0, Math.ceil(level - rise - reachLevels + 1));
  const highest = Math.min(nLayers - 1, Math.floor(level + reachLevels + 1));
  let best: number = EDGE_REACH;
  let found = -1;
  for (let e = rowOffset[lowest * nTokens]!; e < rowOffset[(highest + 1) * nTokens]!; e++) {
    if (routes.attention[e] === 0 || (emphasis && emphasis[e] === 0)) continue;
    const x1 = columnX(frame, columns.edgeKey[e]!);
    const x2 = columnX(frame, columns.edgeQuery[e]!);
    if (x < x1 - loop - EDGE_REACH || x > x2 + EDGE_REACH) continue;
    const y1 = levelY(frame, columns.edgeLayer[e]! - 1);
    const bonus = STRENGTH_BONUS * Math.sqrt(routes.attentionFlow[e]!);
    const distance = distanceToEdge(x, y, x1, y1, x2, y1 - rise * frame.dy, loop) - bonus;
    if (distance < best) {
      best = distance;
      found = e;
    }
  }
  if (found < 0) return null;
  return attentionEdgeName(columns.edgeLayer[found]!, columns.edgeQuery[found]!, columns.edgeKey[found]!, parallel);
}

function pickMixer(analysis: Analysis, routes: Routes, frame: Frame, x: number, y: number): string | null {
  const nTokens = analysis.meta.tokens.length;
  const { nLayers, parallel } = analysis.meta.model;
  const loop = loopReach(frame.dx);
  const position = columnAt(frame, nTokens, x + loop / 2);
  const layer = Math.ceil((frame.y0 - y) / frame.dy);
  if (position < 0 || layer < 0 || layer >= nLayers || !routes.mixer[layer * nTokens + position]) return null;
  const [x1, y1, y2] = [
    columnX(frame, position),
    levelY(frame, layer - 1),
    levelY(frame, layer - (parallel ? 0 : 0.5)),
  ];
  // The residual runs straight up beside it.
  if (x1 - x <= 3.5 || distanceToEdge(x, y, x1, y1, x1, y2, loop) > EDGE_REACH) return null;
  const target = nodeRef(parallel ? 'I' : 'A', layer, position);
  return edgeName({ kind: 'mixer', source: nodeRef('I', layer - 1, position), target });
}

function pickResidual(analysis: Analysis, routes: Routes, frame: Frame, x: number, y: number): string | null {
  const nTokens = analysis.meta.tokens.length;
  const { nLayers, parallel } = analysis.meta.model;
  const position = columnAt(frame, nTokens, x);
  if (position < 0 || Math.abs(x - columnX(frame, position)) > 3.5) return null;
  const level = (frame.y0 - y) / frame.dy;
  const layer = Math.ceil(level);
  if (layer < 0 || layer >= nLayers) return null;
  const row = layer * nTokens + position;
  const node = (letter: 'I' | 'A', at: number) => nodeRef(letter, at, position);
  if (parallel || level < layer - 0.5) {
    if (!routes.residual[row]) return null;
    const target = node(parallel ? 'I' : 'A', layer);
    return edgeName({ kind: 'residual', source: node('I', layer - 1), target });
  }
  if (!routes.ffnResidual[row]) return null;
  return edgeName({ kind: 'residual', source: node('A', layer), target: node('I', layer) });
}
