/** The curves of attention edges, many in one path. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ShownEdges } from '../../groups/shown';
import { loopReach, traceEdge } from '../curves';
import { columnX, levelY } from '../layout';
import type { Window } from '../window';
import type { Pen } from './pen';

export type Curves = Pick<ShownEdges, 'count' | 'layer' | 'query' | 'key'> & Partial<Pick<ShownEdges, 'vivid'>>;

/** The edges that stand out (1), those that do not (0), or all of them (null). */
export type Wanted = 0 | 1 | null;

export const isVisible = (of: Curves, i: number, view: Window, wanted: Wanted): boolean =>
  of.layer[i]! >= view.firstLayer &&
  of.layer[i]! <= view.lastLayer + 1 &&
  of.query[i]! >= view.firstColumn &&
  of.key[i]! <= view.lastColumn &&
  (wanted === null || !of.vivid || (of.vivid[i] === 1) === (wanted === 1));

/** Longer paths are slower to draw than several of this length. */
const EDGES_A_PATH = 500;

/** Strokes some of the edges; numbers from their count on are those of `more`. */
export function strokeCurves({ ctx, frame, scene }: Pen, items: number[], edges: Curves, more?: Curves): void {
  const rise = scene.shown.analysis.meta.model.parallel ? 1 : 0.5;
  const loop = loopReach(frame.dx);
  for (let first = 0; first < items.length; first += EDGES_A_PATH) {
    ctx.beginPath();
    const end = Math.min(items.length, first + EDGES_A_PATH);
    for (let n = first; n < end; n++) {
      const now = items[n]! < edges.count;
      const from = now ? edges : more!;
      const i = now ? items[n]! : items[n]! - edges.count;
      const level = from.layer[i]! - 1;
      const x1 = columnX(frame, from.key[i]!);
      const x2 = columnX(frame, from.query[i]!);
      traceEdge(ctx, x1, levelY(frame, level), x2, levelY(frame, level + rise), loop);
    }
    ctx.stroke();
  }
}
