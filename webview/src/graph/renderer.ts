/** Draws the graph on a canvas: batches of equal colour, width and opacity, faint ones first; culls what is off screen. */
import type { Frame } from './layout';
import { drawAttention } from './marks/attention';
import { drawFeedForward, drawMixers, drawResiduals } from './marks/blocks';
import { drawBands, drawColumn, drawDots, drawFolds } from './marks/ground';
import { drawHeat, drawNodes } from './marks/nodes';
import type { Pen, Scene } from './marks/pen';
import type { Palette } from './palette';
import { visibleWindow } from './window';

/** Narrower than its marks, a column is a cell of heat. */
const HEAT_BELOW = 4;

export function drawGraph(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, palette: Palette): void {
  const { nColumns } = scene.shown.columns;
  const nLayers = scene.shown.mass.length / nColumns - 1;
  const pen: Pen = { ctx, frame, view: visibleWindow(frame, nLayers, nColumns), scene, palette, nColumns };
  ctx.save();
  ctx.beginPath();
  ctx.rect(frame.plot.x, frame.plot.y, frame.plot.width, frame.plot.height);
  ctx.clip();
  drawBands(pen);
  drawFolds(pen);
  drawColumn(pen);
  if (frame.dx < HEAT_BELOW) {
    drawHeat(pen);
    drawAttention(pen);
  } else {
    drawDots(pen);
    drawResiduals(pen);
    drawAttention(pen);
    drawMixers(pen);
    drawFeedForward(pen);
    drawNodes(pen);
  }
  ctx.restore();
}
