/** Attention: an edge from the key to the query. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ShownEdges } from '../../groups/shown';
import { crowdOpacity, lineWidth, opacity } from '../ink';
import { drawDashed, drawEffects } from './effects';
import { batches, type Pen } from './pen';
import { isVisible, strokeCurves, type Wanted } from './strokes';

/** How much fainter the other edges are while some stand out. */
const SUBDUED = 0.12;

export function drawAttention(pen: Pen): void {
  const { edges, effects } = pen.scene.shown;
  const draw = (wanted: Wanted, presence: number): void =>
    effects ? drawEffects(pen, effects, wanted, presence) : drawEdges(pen, wanted, presence);
  if (edges.vivid) {
    draw(0, SUBDUED);
    draw(1, 1);
  } else draw(null, 1);
  if (effects) drawDashed(pen, effects, edges.vivid ? SUBDUED : 1);
}

/** Draws the edges that stand out (1), those that do not (0), or all of them (null). */
function drawEdges(pen: Pen, wanted: Wanted, presence: number): void {
  const { ctx, view, scene, palette } = pen;
  const { edges, routes, ink } = scene.shown;
  const gone = scene.before?.edges;
  const flow = ink === 'flow';
  const valuesNow = gone && routes[flow ? 'attentionFlow' : 'attention'];
  const valuesBefore = scene.before?.routes[flow ? 'attentionFlow' : 'attention'];
  const visible = (of: ShownEdges, i: number): boolean => isVisible(of, i, view, wanted);
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

  const among = batches.count();
  ctx.strokeStyle = scene.shown.awaited ? palette.awaited : palette.attention;
  batches.draw((strength, items) => {
    const width = lineWidth(strength, palette.contrast);
    const weak = width <= 1;
    ctx.globalAlpha = opacity(strength, palette.contrast) * presence * (weak ? crowdOpacity(among) : 1);
    ctx.lineWidth = width;
    ctx.lineCap = weak ? 'butt' : 'round';
    strokeCurves(pen, items, edges, gone);
  });
}
