/** The ground under the graph: bands of layers, the target's column, a dot per node. */
import { isFold } from '../../groups/grouping';
import { BAND_WIDTH, columnWidth, columnX, levelY, tokenX } from '../layout';
import type { Pen } from './pen';

export function drawBands({ ctx, frame, view, palette, nColumns }: Pen): void {
  if (palette.contrast || frame.dy < 5) return;
  const left = Math.max(frame.plot.x, columnX(frame, -0.5));
  const right = Math.min(frame.plot.x + frame.plot.width, columnX(frame, nColumns - 0.5));
  ctx.globalAlpha = palette.light ? 0.035 : 0.028;
  ctx.fillStyle = palette.band;
  for (let layer = view.firstLayer - (view.firstLayer % 2); layer <= view.lastLayer; layer += 2) {
    ctx.fillRect(left, Math.round(levelY(frame, layer + 0.5)), right - left, Math.round(frame.dy));
  }
}

export function drawColumn({ ctx, frame, scene, palette }: Pen): void {
  const { target } = scene.shown.routes;
  const from = scene.before?.routes.target ?? target;
  const width = Math.max(12, Math.min(frame.dx - 2, BAND_WIDTH));
  const x = tokenX(frame, from) + (tokenX(frame, target) - tokenX(frame, from)) * scene.progress - width / 2;
  ctx.fillStyle = palette.column;
  if (palette.contrast) {
    ctx.globalAlpha = 1;
    ctx.fillRect(Math.round(x), frame.plot.y, 1, frame.plot.height);
    ctx.fillRect(Math.round(x + width), frame.plot.y, 1, frame.plot.height);
    return;
  }
  ctx.globalAlpha = palette.light ? 0.08 : 0.12;
  ctx.fillRect(x, frame.plot.y, width, frame.plot.height);
}

/** Folds stand back: a sliver over all layers, in high contrast between two dotted lines. */
export function drawFolds({ ctx, frame, view, scene, palette }: Pen): void {
  const { columns } = scene.shown;
  if (!columns.kind) return;
  const { y, height } = frame.plot;
  ctx.fillStyle = ctx.strokeStyle = palette.foreground;
  ctx.globalAlpha = palette.contrast ? 0.8 : palette.light ? 0.06 : 0.05;
  ctx.lineWidth = 1;
  ctx.setLineDash([1, 3]);
  for (let column = view.firstColumn; column <= view.lastColumn; column++) {
    if (!isFold(columns, column)) continue;
    const width = columnWidth(frame, column) - 2;
    const left = columnX(frame, column - 0.5) + 1;
    if (!palette.contrast) ctx.fillRect(left, y, width, height);
    else {
      ctx.beginPath();
      for (const x of [left, left + width]) {
        ctx.moveTo(Math.round(x) + 0.5, y);
        ctx.lineTo(Math.round(x) + 0.5, y + height);
      }
      ctx.stroke();
    }
  }
  ctx.setLineDash([]);
}

export function drawDots({ ctx, frame, view, scene, palette }: Pen): void {
  if (frame.dy < 5 || frame.dx < 5) return;
  ctx.globalAlpha = palette.contrast ? 0.7 : palette.light ? 0.32 : 0.27;
  ctx.fillStyle = palette.foreground;
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    const y = levelY(frame, layer) - 0.5;
    for (let t = view.firstColumn; t <= view.lastColumn; t++)
      if (!isFold(scene.shown.columns, t)) ctx.fillRect(columnX(frame, t) - 0.5, y, 1, 1);
  }
}
