/** Attention: an edge from the key to the query. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ShownEdges } from '../../groups/shown';
import { seenIn } from '../contrast';
import { crowdOpacity, lineWidth, opacity, plainFrom } from '../ink';
import { drawDashed, drawEffects } from './effects';
import { batches, type Pen } from './pen';
import { isVisible, strokeCurves, type Wanted } from './strokes';

export function drawAttention(pen: Pen): void {
  const { edges, effects, emphasised } = pen.scene.shown;
  const draw = (wanted: Wanted, subdued: boolean): void =>
    effects ? drawEffects(pen, effects, wanted, subdued) : drawEdges(pen, wanted, subdued);
  if (edges.vivid) {
    draw(0, true);
    draw(1, false);
  } else draw(null, false);
  if (effects) drawDashed(pen, effects, emphasised);
}

/** Draws the edges that stand out (1), those that do not (0), or all of them (null). `subdued`: behind those that do. */
function drawEdges(pen: Pen, wanted: Wanted, subdued: boolean): void {
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
  const plain = plainFrom(batches.counts());
  const colour = scene.shown.awaited ? palette.awaited : palette.attention;
  const seen = seenIn(palette, colour);
  ctx.strokeStyle = colour;
  batches.draw((strength, items) => {
    const width = subdued ? 1 : lineWidth(strength, palette.contrast, plain);
    const weak = width <= 1;
    ctx.globalAlpha = (subdued ? seen.least : opacity(strength, seen, plain)) * (weak ? crowdOpacity(among) : 1);
    ctx.lineWidth = width;
    ctx.lineCap = weak ? 'butt' : 'round';
    strokeCurves(pen, items, edges, gone);
  });
}
