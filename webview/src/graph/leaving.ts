/** Edges that lead out of the view: where they go, and where at the border that is said. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { Shown } from '../groups/shown';
import { crossing } from './curves';
import { columnX, levelY } from './layout';
import type { Frame } from './layout';
import { visibleWindow } from './window';

/** The end of an edge that is out of view, in the words of the strongest such edge. */
export interface Leaving {
  side: 'left' | 'right';
  /** The token out of view and its layer; −1: its embedding. */
  position: number;
  layer: number;
  /** Edges that lead to its column. */
  edges: number;
  /** Where it stands on the stage. */
  y: number;
}

/** Chips at one border, the strongest; each as high as this, with its distance. */
const MOST = 5;
const HEIGHT = 21;
/** Fainter edges than this fraction of the strongest one are not followed. */
const FAINTEST = 0.02;

export function leavingEdges(shown: Shown, frame: Frame): Leaving[] {
  const { edges, columns, analysis, effects } = shown;
  const { plot } = frame;
  const { edgeQuery, edgeKey } = analysis.columns;
  const rise = analysis.meta.model.parallel ? 1 : 0.5;
  const view = visibleWindow(frame, analysis.meta.model.nLayers, columns.nColumns);
  const isOut = (column: number): 'left' | 'right' | null => {
    if (column > view.firstColumn + 1 && column < view.lastColumn - 1) return null;
    const x = columnX(frame, column);
    return x < plot.x ? 'left' : x > plot.x + plot.width ? 'right' : null;
  };
  const ink = (i: number): number => (effects ? Math.abs(effects.edges.value[i]!) : edges.ink[i]!);
  const found = new Map<string, Leaving & { ink: number }>();
  let strongest = 0;
  for (let i = 0; i < edges.count; i++) {
    const value = ink(i);
    strongest = Math.max(strongest, value);
    const [query, key] = [edges.query[i]!, edges.key[i]!];
    if (query === key || edges.vivid?.[i] === 0) continue;
    const [atQuery, atKey] = [isOut(query), isOut(key)];
    const side = atQuery ?? atKey;
    // both out: it is not seen, or it passes through
    if (!side || (atQuery && atKey)) continue;
    const layer = edges.layer[i]!;
    const [low, high] = [levelY(frame, layer - 1), levelY(frame, layer - 1 + rise)];
    const border = side === 'left' ? plot.x : plot.x + plot.width;
    const y = crossing(columnX(frame, key), low, columnX(frame, query), high, border);
    if (y < plot.y || y > plot.y + plot.height) continue;
    const name = `${side} ${atKey ? key : query}`;
    const before = found.get(name);
    const count = (before?.edges ?? 0) + 1;
    if (before && before.ink >= value) {
      before.edges = count;
      continue;
    }
    const e = edges.strongest[i]!;
    const position = atKey ? edgeKey[e]! : edgeQuery[e]!;
    found.set(name, { side, position, layer: atKey ? layer - 1 : layer, edges: count, y, ink: value });
  }
  const all = [...found.values()].filter((one) => one.ink >= FAINTEST * strongest).sort((a, b) => b.ink - a.ink);
  return (['left', 'right'] as const).flatMap((side) =>
    apart(all.filter((one) => one.side === side).slice(0, MOST), plot.y, plot.y + plot.height),
  );
}

/** Moves chips down, and then up, just so far that none covers another. */
function apart(chips: Leaving[], top: number, bottom: number): Leaving[] {
  const placed = [...chips].sort((a, b) => a.y - b.y).map((chip) => ({ ...chip }));
  placed.forEach((chip, i) => (chip.y = Math.max(chip.y, i > 0 ? placed[i - 1]!.y + HEIGHT : top + HEIGHT / 2)));
  for (let i = placed.length - 1; i >= 0; i--)
    placed[i]!.y = Math.min(placed[i]!.y, i + 1 < placed.length ? placed[i + 1]!.y - HEIGHT : bottom - HEIGHT / 2);
  return placed;
}
