/** Draws the lens grid: colours from an image of one pixel per cell, text where it fits, only what is in view. */
import { prepare } from '../graph/painter';
import { BAND_WIDTH, columnX, levelY } from '../graph/layout';
import type { Frame, Size } from '../graph/layout';
import type { Palette } from '../graph/palette';
import { visibleWindow } from '../graph/window';
import { nodeLevel, parseNode } from '../words/names';
import { signed } from '../words/words';
import { cellStrength, cellsOf } from './lensCells';
import type { ModelInfo } from '../../../extension/shared/protocol';
import { outputText } from '../words/answer';
import type { LensCells, LensColour } from './lensCells';
import { cellOpacity } from './scale';

export interface LensPicture {
  cells: LensCells;
  /** Made by `tintedCells`. */
  tints: HTMLCanvasElement;
  colour: LensColour;
  frame: Frame;
  size: Size;
  palette: Palette;
  target: number;
  /** The followed token's text: where it is on top, it is written bold. */
  followed: string | null;
  model: ModelInfo | undefined;
}

export interface LensMarks {
  /** Where a word that one looks for is strongest. */
  strongest: readonly string[];
  selection: string | null;
  hover: string | null;
  caret: string | null;
}

/** Cells narrower or lower than this have a colour only. */
const TEXT_WIDTH = 26;
const TEXT_HEIGHT = 10;
const NUMBER_WIDTH = 74;
const CHARACTER = 0.61;
/** Cells smaller than this have no line between them. */
const GAP_FROM = 6;

/** One pixel a cell, the last layer on top, in the attention's hue. */
export function tintedCells(cells: LensCells, colour: LensColour, palette: Palette): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = cells.nTokens;
  canvas.height = cells.nRows;
  const ctx = canvas.getContext('2d');
  if (!ctx) return canvas;
  const image = ctx.createImageData(cells.nTokens, cells.nRows);
  for (let row = cells.firstRow; row < cells.nRows; row++) {
    for (let t = 0; t < cells.nTokens; t++) {
      const strength = cellStrength(cells, row * cells.nTokens + t, colour);
      const pixel = (cells.nRows - 1 - row) * cells.nTokens + t;
      image.data[pixel * 4 + 3] = Math.round(255 * cellOpacity(strength, palette.contrast));
    }
  }
  ctx.putImageData(image, 0, 0);
  ctx.globalCompositeOperation = 'source-in';
  ctx.fillStyle = palette.attention;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}

export function drawLens(canvas: HTMLCanvasElement, picture: LensPicture): void {
  const { frame, cells } = picture;
  const ctx = prepare(canvas, picture.size);
  if (!ctx) return;
  const { plot, dx, dy } = frame;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.x, plot.y, plot.width, plot.height);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(
    picture.tints,
    columnX(frame, -0.5),
    levelY(frame, cells.nRows - 1.5),
    cells.nTokens * dx,
    cells.nRows * dy,
  );
  if (dx >= GAP_FROM && dy >= GAP_FROM) drawGaps(ctx, picture);
  drawTarget(ctx, picture);
  if (dx >= TEXT_WIDTH && dy >= TEXT_HEIGHT) drawTexts(ctx, picture);
  ctx.restore();
}

function drawGaps(ctx: CanvasRenderingContext2D, { frame, palette, cells }: LensPicture): void {
  const view = visibleWindow(frame, cells.nRows - 1, cells.nTokens);
  const { plot } = frame;
  ctx.fillStyle = palette.background;
  for (let t = view.firstColumn; t <= view.lastColumn + 1; t++)
    ctx.fillRect(Math.round(columnX(frame, t - 0.5)) - 0.5, plot.y, 1, plot.height);
  for (let level = view.firstLayer - 2; level <= view.lastLayer + 1; level++)
    ctx.fillRect(plot.x, Math.round(levelY(frame, level + 0.5)) - 0.5, plot.width, 1);
}

/** Two lines mark the target's column. */
function drawTarget(ctx: CanvasRenderingContext2D, { frame, palette, target, cells }: LensPicture): void {
  const half = Math.min(frame.dx, Math.max(frame.dx, BAND_WIDTH)) / 2;
  const top = levelY(frame, cells.nRows - 1.5);
  const height = cells.nRows * frame.dy;
  ctx.fillStyle = palette.column;
  ctx.globalAlpha = palette.contrast ? 1 : 0.8;
  for (const side of [-half, half]) ctx.fillRect(Math.round(columnX(frame, target) + side) - 0.5, top, 1, height);
  ctx.globalAlpha = 1;
}

function drawTexts(ctx: CanvasRenderingContext2D, picture: LensPicture): void {
  const { frame, palette, cells, colour, followed, model } = picture;
  const view = visibleWindow(frame, cells.nRows - 1, cells.nTokens);
  const size = Math.max(8.5, Math.min(11, frame.dy * 0.72, (frame.dx - 4) / 5 / CHARACTER));
  const numbers = frame.dx >= NUMBER_WIDTH;
  const room = frame.dx - 5 - (numbers ? 24 : 0);
  const most = Math.max(1, Math.floor(room / (size * CHARACTER)));
  const fonts = { plain: `${size}px ${palette.tokenFont}`, bold: `600 ${size}px ${palette.tokenFont}` };
  ctx.textBaseline = 'middle';
  for (
    let row = Math.max(cells.firstRow, view.firstLayer - 1);
    row <= Math.min(cells.nRows - 1, view.lastLayer + 1);
    row++
  ) {
    const y = levelY(frame, row - 1) + 0.5;
    for (let t = view.firstColumn; t <= view.lastColumn; t++) {
      const index = row * cells.nTokens + t;
      const text = cells.texts[cells.top[index] ?? 0] ?? '';
      const strength = cellStrength(cells, index, colour);
      ctx.fillStyle = inkOn(strength, palette);
      ctx.font = text === followed ? fonts.bold : fonts.plain;
      const left = columnX(frame, t - 0.5) + 3;
      ctx.textAlign = 'left';
      ctx.fillText(cut(outputText(model, text), most), left, y);
      if (!numbers) continue;
      ctx.textAlign = 'right';
      ctx.font = `${Math.max(8, size - 1.5)}px ${palette.uiFont}`;
      const figure = cells.range ? signed(cells.topLogit[index] ?? 0) : wholePercent(cells.topProbability[index] ?? 0);
      ctx.fillText(figure, left + frame.dx - 7, y);
    }
  }
}

/** The colour of text over a cell. */
export function inkOn(strength: number, palette: Pick<Palette, 'dim' | 'light' | 'foreground'>): string {
  if (strength < 0.08) return palette.dim;
  return !palette.light && strength > 0.4 ? '#ffffff' : palette.foreground;
}

const wholePercent = (value: number): string => (value < 0.005 ? '' : `${Math.round(value * 100)}%`);

function cut(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, Math.max(1, most - 1)).join('')}…`;
}

export function drawLensMarks(
  canvas: HTMLCanvasElement,
  size: Size,
  frame: Frame,
  marks: LensMarks,
  palette: Palette,
): void {
  const ctx = prepare(canvas, size);
  if (!ctx) return;
  const { plot } = frame;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.x - 2, plot.y - 2, plot.width + 4, plot.height + 4);
  ctx.clip();
  ctx.setLineDash([3, 2]);
  for (const name of marks.strongest) outline(ctx, frame, name, palette.selection, 1);
  ctx.setLineDash([]);
  if (marks.hover) outline(ctx, frame, marks.hover, palette.foreground, 1);
  if (marks.selection) outline(ctx, frame, marks.selection, palette.selection, 2);
  if (marks.caret && parseNode(marks.caret)) outline(ctx, frame, marks.caret, palette.focus, palette.contrast ? 3 : 2);
  ctx.restore();
}

function outline(ctx: CanvasRenderingContext2D, frame: Frame, name: string, color: string, width: number): void {
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  for (const node of cellsOf(name)) {
    const x = columnX(frame, node.position - 0.5);
    const y = levelY(frame, nodeLevel(node) + 0.5);
    ctx.strokeRect(x + width / 2 - 0.5, y + width / 2 - 0.5, frame.dx - width + 1, frame.dy - width + 1);
  }
}
