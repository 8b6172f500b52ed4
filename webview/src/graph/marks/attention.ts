/** Attention: an edge from the key to the query. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ShownEdges } from '../../groups/shown';
import { loopReach, traceEdge } from '../curves';
import { crowdOpacity, lineWidth, opacity } from '../ink';
import { columnX, levelY } from '../layout';
import { batches, type Pen } from './pen';

/** How much fainter the other edges are while some stand out. */
const SUBDUED = 0.12;

/** Longer paths are slower to draw than several of this length. */
const EDGES_A_PATH = 500;

export function drawAttention(pen: Pen): void {
  if (!pen.scene.shown.edges.vivid) {
    drawEdges(pen, null, 1);
    return;
  }
  drawEdges(pen, 0, SUBDUED);
  drawEdges(pen, 1, 1);
}

/** Draws the edges that stand out (1), those that do not (0), or all of them (null). */
function drawEdges({ ctx, frame, view, scene, palette }: Pen, wanted: 0 | 1 | null, presence: number): void {
  const { edges, routes, ink, analysis } = scene.shown;
  const rise = analysis.meta.model.parallel ? 1 : 0.5;
  const gone = scene.before?.edges;
  const flow = ink === 'flow';
  const valuesNow = gone && routes[flow ? 'attentionFlow' : 'attention'];
  const valuesBefore = scene.before?.routes[flow ? 'attentionFlow' : 'attention'];
  const visible = (of: ShownEdges, i: number): boolean =>
    of.layer[i]! >= view.firstLayer &&
    of.layer[i]! <= view.lastLayer + 1 &&
    of.query[i]! >= view.firstColumn &&
    of.key[i]! <= view.lastColumn &&
    (wanted === null || !of.vivid || of.vivid[i] === wanted);
  const { progress } = scene;
  const eased = (e: number): number => valuesBefore![e]! * (1 - progress) + valuesNow![e]! * progress;
  for (let i = 0; i < edges.count; i++) {
    if (visible(edges, i)) batches.add(i, valuesBefore ? eased(edges.strongest[i]!) : edges.ink[i]!);
  }
  // What only the previous graph holds fades out; its edges continue the count.
  for (let i = 0; gone && i < gone.count; i++) {
    const e = gone.strongest[i]!;
    if (routes.attention[e] === 0 && visible(gone, i)) batches.add(edges.count + i, eased(e));
  }

  const loop = loopReach(frame.dx);
  const among = batches.count();
  ctx.strokeStyle = palette.attention;
  batches.draw((strength, items) => {
    const width = lineWidth(strength, palette.contrast);
    const weak = width <= 1;
    ctx.globalAlpha = opacity(strength, palette.contrast) * presence * (weak ? crowdOpacity(among) : 1);
    ctx.lineWidth = width;
    ctx.lineCap = weak ? 'butt' : 'round';
    for (let first = 0; first < items.length; first += EDGES_A_PATH) {
      ctx.beginPath();
      const end = Math.min(items.length, first + EDGES_A_PATH);
      for (let n = first; n < end; n++) {
        const now = items[n]! < edges.count;
        const from = now ? edges : gone!;
        const i = now ? items[n]! : items[n]! - edges.count;
        const level = from.layer[i]! - 1;
        const x1 = columnX(frame, from.key[i]!);
        const x2 = columnX(frame, from.query[i]!);
        traceEdge(ctx, x1, levelY(frame, level), x2, levelY(frame, level + rise), loop);
      }
      ctx.stroke();
    }
  });
}
