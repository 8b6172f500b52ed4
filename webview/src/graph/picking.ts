/** Finds what is under the pointer. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { strongestAt } from '../groups/shown';
import type { Shown } from '../groups/shown';
import { drawsEffect } from '../groups/effectInk';
import { sumAt } from '../groups/sums';
import type { EffectInk } from '../groups/sums';
import { attentionEdgeName, edgeName, nodeName, nodeRef } from '../words/names';
import { distanceToEdge, ffnReach, loopReach } from './curves';
import type { Frame } from './layout';
import { columnAt, columnX, levelY } from './layout';
import type { Curves } from './marks/strokes';

const NODE_REACH = 7;
const EDGE_REACH = 6;
const DOT_REACH = 5;
/** A strong edge may be this many pixels further away than a faint one and still be meant. */
const STRENGTH_BONUS = 3;

/** The name of the node or edge at (x, y) on the stage: kept ones first, then any dot; for a group, its strongest. */
export function pick(shown: Shown, frame: Frame, x: number, y: number): string | null {
  const { plot } = frame;
  if (x < plot.x || x > plot.x + plot.width || y < plot.y || y > plot.y + plot.height) return null;
  return (
    pickNode(shown, frame, x, y, true) ??
    pickFeedForward(shown, frame, x, y) ??
    pickAttention(shown, frame, x, y) ??
    pickMixer(shown, frame, x, y) ??
    pickResidual(shown, frame, x, y) ??
    pickNode(shown, frame, x, y, false)
  );
}

/** The position in a column at which a row of values is largest. */
const strongestIn = ({ columns }: Shown, column: number, values: ArrayLike<number>, row: number): number =>
  strongestAt(columns, column, values, row * columns.of.length);

function pickNode(shown: Shown, frame: Frame, x: number, y: number, keptOnly: boolean): string | null {
  const { columns, routes, reached } = shown;
  const { nLayers, parallel } = shown.analysis.meta.model;
  const column = columnAt(frame, columns.nColumns, x);
  if (column < 0) return null;
  const half = (frame.y0 - y) / frame.dy;
  const reach = Math.min(keptOnly ? NODE_REACH : DOT_REACH, frame.dy * 0.3);
  const layer = Math.round(half);
  if (layer >= -1 && layer < nLayers && near(frame, column, layer, x, y, reach)) {
    if (!keptOnly || reached[(layer + 1) * columns.nColumns + column])
      return nodeName(nodeRef('I', layer, strongestIn(shown, column, routes.mass, layer + 1)));
  }
  const upper = Math.round(half + 0.5);
  if (parallel || upper < 0 || upper >= nLayers || !near(frame, column, upper - 0.5, x, y, reach)) return null;
  // The node after attention has the mass of the node after the layer, if that passes any on.
  const position = strongestIn(shown, column, routes.mass, upper + 1);
  if (keptOnly && !routes.reachedAttention[upper * columns.of.length + position]) return null;
  return nodeName(nodeRef('A', upper, position));
}

const near = (frame: Frame, column: number, level: number, x: number, y: number, reach: number): boolean =>
  Math.hypot(x - columnX(frame, column), y - levelY(frame, level)) <= reach;

function pickFeedForward(shown: Shown, frame: Frame, x: number, y: number): string | null {
  const { nColumns } = shown.columns;
  const offset = ffnReach(frame.dx);
  const column = columnAt(frame, nColumns, x - offset);
  const layer = Math.round((frame.y0 - y) / frame.dy + 0.25);
  if (column < 0 || layer < 0 || layer >= shown.analysis.meta.model.nLayers) return null;
  if (!drawsBlock(shown, layer * nColumns + column)) return null;
  const distance = Math.hypot(x - columnX(frame, column) - offset, y - levelY(frame, layer - 0.25));
  if (distance > Math.min(6, Math.max(3, frame.dy * 0.3))) return null;
  const position = shown.effects
    ? strongestBlock(shown.effects, shown, column, layer)
    : strongestIn(shown, column, shown.routes.ffn, layer);
  return nodeName(nodeRef('M', layer, position));
}

/** The position in a column whose block has the largest effect of those that are drawn. */
function strongestBlock({ table: { ffn } }: EffectInk, shown: Shown, column: number, layer: number): number {
  const { first, of } = shown.columns;
  let [best, most] = [first[column]!, -1];
  for (let t = first[column]!; t < first[column + 1]!; t++) {
    const row = layer * of.length + t;
    if (!drawsEffect(shown.routes, ffn, row) || Math.abs(ffn.value[row]!) <= most) continue;
    [best, most] = [t, Math.abs(ffn.value[row]!)];
  }
  return best;
}

function drawsBlock({ effects, ffn }: Shown, cell: number): boolean {
  return effects ? sumAt(effects.ffn, cell) !== null : ffn[cell]! > 0;
}

function pickAttention({ analysis, edges, effects }: Shown, frame: Frame, x: number, y: number): string | null {
  const { columns, meta } = analysis;
  const { parallel } = meta.model;
  const found = nearest(edges, parallel, frame, x, y, (i) => edges.flow[i]!);
  const dashed = effects?.dashed;
  const other = dashed && nearest(dashed, parallel, frame, x, y, (i) => Math.abs(dashed.sums.value[i]!) / effects.largestEdge); // prettier-ignore
  if (other && (!found || other.distance < found.distance)) {
    const { layer, query, key } = dashed.strongest[other.at]!;
    return attentionEdgeName(layer, query, key, parallel);
  }
  if (!found) return null;
  const e = edges.strongest[found.at]!;
  return attentionEdgeName(columns.edgeLayer[e]!, columns.edgeQuery[e]!, columns.edgeKey[e]!, parallel);
}

/** The edge whose curve is nearest to (x, y), if it is near; `strength` 0 … 1. */
function nearest(
  edges: Curves,
  parallel: boolean,
  frame: Frame,
  x: number,
  y: number,
  strength: (i: number) => number,
): { at: number; distance: number } | null {
  const rise = parallel ? 1 : 0.5;
  const loop = loopReach(frame.dx);
  // Edges of layer l lie between levels l − 1 and l − 1 + rise.
  const reachLevels = (EDGE_REACH + STRENGTH_BONUS) / frame.dy;
  const level = (frame.y0 - y) / frame.dy;
  const lowest = Math.ceil(level - rise - reachLevels + 1);
  const highest = Math.floor(level + reachLevels + 1);
  let best: number = EDGE_REACH;
  let found = -1;
  for (let i = 0; i < edges.count; i++) {
    const layer = edges.layer[i]!;
    if (layer < lowest || layer > highest || edges.vivid?.[i] === 0) continue;
    const x1 = columnX(frame, edges.key[i]!);
    const x2 = columnX(frame, edges.query[i]!);
    if (x < x1 - loop - EDGE_REACH || x > x2 + EDGE_REACH) continue;
    const y1 = levelY(frame, layer - 1);
    const bonus = STRENGTH_BONUS * Math.sqrt(strength(i));
    const distance = distanceToEdge(x, y, x1, y1, x2, y1 - rise * frame.dy, loop) - bonus;
    if (distance < best) {
      best = distance;
      found = i;
    }
  }
  return found < 0 ? null : { at: found, distance: best };
}

function pickMixer(shown: Shown, frame: Frame, x: number, y: number): string | null {
  const { nColumns } = shown.columns;
  const { nLayers, parallel } = shown.analysis.meta.model;
  const loop = loopReach(frame.dx);
  const column = columnAt(frame, nColumns, x + loop / 2);
  const layer = Math.ceil((frame.y0 - y) / frame.dy);
  if (column < 0 || layer < 0 || layer >= nLayers || !shown.mixer[layer * nColumns + column]) return null;
  const [x1, y1, y2] = [columnX(frame, column), levelY(frame, layer - 1), levelY(frame, layer - (parallel ? 0 : 0.5))];
  // The residual runs straight up beside it.
  if (x1 - x <= 3.5 || distanceToEdge(x, y, x1, y1, x1, y2, loop) > EDGE_REACH) return null;
  const position = strongestIn(shown, column, shown.routes.mixer, layer);
  const target = nodeRef(parallel ? 'I' : 'A', layer, position);
  return edgeName({ kind: 'mixer', source: nodeRef('I', layer - 1, position), target });
}

function pickResidual(shown: Shown, frame: Frame, x: number, y: number): string | null {
  const { routes, columns } = shown;
  const { nLayers, parallel } = shown.analysis.meta.model;
  const column = columnAt(frame, columns.nColumns, x);
  if (column < 0 || Math.abs(x - columnX(frame, column)) > 3.5) return null;
  const level = (frame.y0 - y) / frame.dy;
  const layer = Math.ceil(level);
  if (layer < 0 || layer >= nLayers) return null;
  const row = layer * columns.nColumns + column;
  const past = parallel || level < layer - 0.5;
  const strongest = strongestIn(shown, column, past ? routes.residualFlow : routes.ffnResidualFlow, layer);
  const node = (letter: 'I' | 'A', at: number) => nodeRef(letter, at, strongest);
  if (past) {
    if (!shown.residual[row]) return null;
    const target = node(parallel ? 'I' : 'A', layer);
    return edgeName({ kind: 'residual', source: node('I', layer - 1), target });
  }
  if (!shown.ffnResidual[row]) return null;
  return edgeName({ kind: 'residual', source: node('A', layer), target: node('I', layer) });
}
