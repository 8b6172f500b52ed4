/** The marks within a column: the residual stream, feed-forward blocks, mixers. */
import { ffnReach, loopReach, mixerReach, traceEdge } from '../curves';
import { seenIn } from '../contrast';
import { opacity } from '../ink';
import { columnX, levelY } from '../layout';
import { drawBlockEffects } from './effects';
import { batches, eachCell, inkReader, type Pen } from './pen';

/** The ink of the residual stream where only effects count. */
const STRUCTURE = 0.12;

export function drawResiduals({ ctx, frame, view, scene, palette, nColumns }: Pen): void {
  const { parallel } = scene.shown.analysis.meta.model;
  ctx.strokeStyle = palette.residual;
  const seen = seenIn(palette, palette.residual);
  ctx.lineCap = 'butt';
  for (const [column, low, high] of [
    ['residual', -1, parallel ? 0 : -0.5],
    ['ffnResidual', -0.5, 0],
  ] as const) {
    const ink = inkReader(scene, column);
    const quiet = scene.shown.effects !== null;
    eachCell(view, nColumns, (row) => batches.add(row, quiet && ink(row) > 0 ? STRUCTURE : ink(row)));
    batches.draw((strength, rows) => {
      ctx.globalAlpha = Math.max(seen.least, opacity(strength, seen) * (palette.contrast ? 1 : 0.62));
      ctx.lineWidth = 1 + 0.8 * strength;
      ctx.beginPath();
      for (const row of rows) {
        const layer = Math.floor(row / nColumns);
        const x = columnX(frame, row - layer * nColumns);
        ctx.moveTo(x, levelY(frame, layer + low));
        ctx.lineTo(x, levelY(frame, layer + high));
      }
      ctx.stroke();
    });
  }
}

export function drawFeedForward(pen: Pen): void {
  const { ctx, frame, view, scene, palette, nColumns } = pen;
  if (scene.shown.effects) return drawBlockEffects(pen, scene.shown.effects);
  const reach = ffnReach(frame.dx);
  const foot = scene.shown.analysis.meta.model.parallel ? -1 : -0.5;
  const ink = inkReader(scene, 'ffn');
  eachCell(view, nColumns, (row) => batches.add(row, ink(row)));
  ctx.strokeStyle = palette.ffn;
  ctx.fillStyle = palette.ffn;
  const seen = seenIn(palette, palette.ffn);
  batches.draw((strength, rows) => {
    ctx.globalAlpha = opacity(strength, seen);
    const side = Math.min(2 + strength * 7, Math.max(2, frame.dy * 0.8), Math.max(2, frame.dx * 0.4));
    ctx.lineWidth = 1 + 0.7 * strength;
    if (frame.dy >= 8 && frame.dx >= 12) {
      ctx.beginPath();
      for (const row of rows) {
        const layer = Math.floor(row / nColumns);
        const x = columnX(frame, row - layer * nColumns);
        ctx.moveTo(x, levelY(frame, layer + foot));
        ctx.lineTo(x + reach, levelY(frame, layer - 0.25));
        ctx.lineTo(x, levelY(frame, layer));
      }
      ctx.stroke();
    }
    for (const row of rows) {
      const layer = Math.floor(row / nColumns);
      const x = columnX(frame, row - layer * nColumns) + reach;
      ctx.fillRect(x - side / 2, levelY(frame, layer - 0.25) - side / 2, side, side);
    }
  });
}

/** A mixer: a loop on the left like attention to oneself, dashed, with a diamond. */
export function drawMixers({ ctx, frame, view, scene, palette, nColumns }: Pen): void {
  if (scene.shown.analysis.meta.layerKinds.length === 0) return;
  const loop = loopReach(frame.dx);
  const rise = scene.shown.analysis.meta.model.parallel ? 1 : 0.5;
  const ink = inkReader(scene, 'mixer');
  eachCell(view, nColumns, (row) => batches.add(row, ink(row)));
  ctx.strokeStyle = palette.mixer;
  ctx.fillStyle = palette.mixer;
  const seen = seenIn(palette, palette.mixer);
  ctx.setLineDash([3, 2]);
  batches.draw((strength, rows) => {
    ctx.globalAlpha = opacity(strength, seen);
    ctx.lineWidth = 1 + 0.7 * strength;
    ctx.beginPath();
    for (const row of rows) {
      const level = Math.floor(row / nColumns) - 1;
      const x = columnX(frame, row % nColumns);
      traceEdge(ctx, x, levelY(frame, level), x, levelY(frame, level + rise), loop);
    }
    ctx.stroke();
    const half = Math.min(1.5 + strength * 4, Math.max(1.5, frame.dy * 0.3), Math.max(1.5, frame.dx * 0.15));
    ctx.beginPath();
    for (const row of rows) {
      const x = columnX(frame, row % nColumns) - mixerReach(frame.dx);
      const y = levelY(frame, Math.floor(row / nColumns) - 1 + rise / 2);
      ctx.moveTo(x - half, y);
      ctx.lineTo(x, y - half);
      ctx.lineTo(x + half, y);
      ctx.lineTo(x, y + half);
    }
    ctx.fill();
  });
  ctx.setLineDash([]);
}
