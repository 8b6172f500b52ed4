/** Draws the head overview: a cell per head, with a letter for a strong tag. */
import { prepare } from '../graph/painter';
import type { Size } from '../graph/layout';
import type { Palette } from '../graph/palette';
import type { HeadRef } from '../routes/headTotals';
import { TAG_LETTERS } from './headTags';
import type { TagTable } from './headTags';
import { numberOf } from './headNumbers';
import type { HeadNumbers } from './headNumbers';
import { fitsLetters, gapOf, headX, layerY } from './headsLayout';
import type { HeadsFrame } from './headsLayout';
import { cellOpacity } from './scale';

export interface HeadsPicture {
  frame: HeadsFrame;
  size: Size;
  palette: Palette;
  numbers: HeadNumbers;
  /** False: the layer has a mixer and no heads, and its row stays empty. */
  hasHeads: (layer: number) => boolean;
  tags: TagTable | null;
  selected: HeadRef | null;
  hover: HeadRef | null;
  caret: HeadRef | null;
}

/** The square root: a tenth of the largest is still seen. */
export const totalStrength = (total: number, largest: number): number => (total > 0 ? Math.sqrt(total / largest) : 0);

export function drawHeads(canvas: HTMLCanvasElement, picture: HeadsPicture): void {
  const ctx = prepare(canvas, picture.size);
  if (!ctx) return;
  const { frame, palette } = picture;
  const gap = gapOf(frame);
  for (let layer = 0; layer < frame.nLayers; layer++) {
    if (!picture.hasHeads(layer)) continue;
    for (let head = 0; head < frame.nHeads; head++) drawCell(ctx, picture, { layer, head }, gap);
  }
  ctx.globalAlpha = 1;
  if (picture.hover) outline(ctx, frame, picture.hover, palette.foreground, 1, gap);
  if (picture.selected) outline(ctx, frame, picture.selected, palette.selection, 2, gap);
  if (picture.caret) outline(ctx, frame, picture.caret, palette.focus, palette.contrast ? 3 : 2, gap);
}

const hueOf = ({ ink }: HeadNumbers, value: number, palette: Palette): string =>
  ink !== 'effect' ? palette.attention : value < 0 ? palette.opposes : palette.supports;

function drawCell(ctx: CanvasRenderingContext2D, picture: HeadsPicture, at: HeadRef, gap: number): void {
  const { frame, palette, numbers, tags } = picture;
  const value = numberOf(numbers, at);
  const strength = totalStrength(Math.abs(value), numbers.largest);
  const [x, y] = [headX(frame, at.head), layerY(frame, at.layer)];
  const [width, height] = [frame.cellWidth - gap, frame.cellHeight - gap];
  ctx.fillStyle = strength > 0 ? hueOf(numbers, value, palette) : palette.foreground;
  ctx.globalAlpha = strength > 0 ? 0.06 + cellOpacity(strength, palette.contrast) : palette.contrast ? 0.07 : 0.045;
  ctx.fillRect(x, y, width, height);
  if (palette.contrast && numbers.ink === 'effect' && value < 0) {
    ctx.globalAlpha = 1;
    ctx.strokeStyle = palette.opposes;
    ctx.setLineDash([2, 2]);
    ctx.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
    ctx.setLineDash([]);
  }
  const tag = tags?.marked(at);
  if (!tag || !fitsLetters(frame)) return;
  ctx.globalAlpha = strength > 0 ? 1 : 0.75;
  ctx.fillStyle = !palette.light && strength > 0.5 ? '#ffffff' : palette.foreground;
  ctx.font = `${Math.min(11, height - 2)}px ${palette.uiFont}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillText(TAG_LETTERS[tag.tag], x + width / 2, y + height / 2 + 0.5);
}

function outline(
  ctx: CanvasRenderingContext2D,
  frame: HeadsFrame,
  { layer, head }: HeadRef,
  color: string,
  width: number,
  gap: number,
): void {
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  const half = width / 2;
  const [x, y] = [headX(frame, head) - 0.5, layerY(frame, layer) - 0.5];
  ctx.strokeRect(x + half, y + half, frame.cellWidth - gap + 1 - width, frame.cellHeight - gap + 1 - width);
}
