/** Marks in ink effect: blue supports the target, rose opposes it; what is only predicted is fainter. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { EffectInk, Sums } from '../../groups/sums';
import { ffnReach } from '../curves';
import { seenIn } from '../contrast';
import type { Seen } from '../contrast';
import { crowdOpacity, lineWidth, opacity, plainFrom } from '../ink';
import { columnX, levelY } from '../layout';
import type { Palette } from '../palette';
import { batches, eachCell, type Pen } from './pen';
import { isVisible, strokeCurves, type Wanted } from './strokes';

/** The styles of a mark, drawn in this order where marks are equally strong. */
const UNKNOWN = 0;
const OPPOSES = 1;
const SUPPORTS = 2;
/** Added to both where all of a sum was measured. */
const MEASURED = 2;

/** How much fainter and thinner a predicted effect is. */
const PREDICTED_OPACITY = 0.55;
const PREDICTED_WIDTH = 0.7;
/** Edges that no route draws are thinner: they are long, and not the drawing. */
const DASHED_WIDTH = 0.6;

/** Dashes by what they say: strong though no route draws it; in high contrast also what opposes, and both. */
const STRONG = [6, 3.5];
const OPPOSING = [2.5, 2.5];
const BOTH = [6, 3, 1.5, 3];
const SOLID: number[] = [];

const styleOf = ({ value, measured, predicted }: Sums, i: number): number => {
  if (measured[i]! + predicted[i]! === 0) return UNKNOWN;
  return (value[i]! < 0 ? OPPOSES : SUPPORTS) + (predicted[i] === 0 ? MEASURED : 0);
};

const opposes = (style: number): boolean => style === OPPOSES || style === OPPOSES + MEASURED;
const predicted = (style: number): boolean => style <= SUPPORTS;

const colourOf = (style: number, palette: Palette): string =>
  style === UNKNOWN ? palette.foreground : opposes(style) ? palette.opposes : palette.supports;

export function drawEffects(pen: Pen, { edges: sums, largestEdge }: EffectInk, wanted: Wanted, subdued: boolean): void {
  const { ctx, view, palette } = pen;
  const { edges } = pen.scene.shown;
  for (let i = 0; i < edges.count; i++) {
    if (isVisible(edges, i, view, wanted)) batches.add(i, part(sums, i, largestEdge), styleOf(sums, i));
  }
  const look = { subdued, among: batches.count(), plain: plainFrom(batches.counts()), dashed: false };
  batches.draw((strength, items, style) => {
    setLine(pen, strength, style, look);
    ctx.setLineDash(palette.contrast && opposes(style) ? OPPOSING : SOLID);
    strokeCurves(pen, items, edges);
  });
  ctx.setLineDash(SOLID);
}

/** Strong edges that no route draws. */
export function drawDashed(pen: Pen, { dashed, largestEdge }: EffectInk, subdued: boolean): void {
  const { ctx, view, palette } = pen;
  for (let i = 0; i < dashed.count; i++) {
    if (isVisible(dashed, i, view, null)) batches.add(i, part(dashed.sums, i, largestEdge), styleOf(dashed.sums, i));
  }
  const look = { subdued, among: dashed.count, plain: plainFrom(batches.counts()), dashed: true };
  batches.draw((strength, items, style) => {
    setLine(pen, strength, style, look);
    ctx.lineCap = 'butt';
    ctx.setLineDash(palette.contrast && opposes(style) ? BOTH : STRONG);
    strokeCurves(pen, items, dashed);
  });
  ctx.setLineDash(SOLID);
}

/** What is known to be nothing, or not known, still has a hairline. */
const LEAST = 1e-6;

const part = ({ value }: Sums, i: number, largest: number): number =>
  largest > 0 ? Math.max(LEAST, Math.abs(value[i]!) / largest) : LEAST;

interface Look {
  /** Behind edges that stand out. */
  subdued: boolean;
  among: number;
  /** The strength from which on an edge is plain to see. */
  plain: number;
  dashed: boolean;
}

function setLine({ ctx, palette }: Pen, strength: number, style: number, look: Look): void {
  const colour = colourOf(style, palette);
  const seen = seenIn(palette, colour);
  const faint = style === UNKNOWN || look.subdued;
  const narrow = (predicted(style) ? PREDICTED_WIDTH : 1) * (look.dashed ? DASHED_WIDTH : 1);
  // dots of a hairline would be lost
  const least = palette.contrast && opposes(style) ? 1.8 : 1;
  const width = faint ? 1 : Math.max(least, lineWidth(strength, palette.contrast, look.plain) * narrow);
  const weak = width <= 1;
  ctx.strokeStyle = colour;
  ctx.globalAlpha =
    (faint ? seen.least : inkOf(strength, style, seen, palette, look)) * (weak ? crowdOpacity(look.among) : 1);
  ctx.lineWidth = width;
  ctx.lineCap = weak || palette.contrast ? 'butt' : 'round';
}

/** A predicted effect is fainter, but still seen; a strong dashed edge is as plain as any, and no more than that. */
function inkOf(strength: number, style: number, seen: Seen, { contrast }: Palette, { plain, dashed }: Look): number {
  const own = opacity(strength, seen, plain);
  if (predicted(style) && !contrast) return Math.max(seen.least, own * PREDICTED_OPACITY);
  // dots and dashes have gaps
  if (contrast) return Math.max(own, (seen.least + seen.strong) / 2);
  return dashed ? Math.min(seen.strong, own) : own;
}

/** A square as large as the block's effect, beside its column; hollow where it is predicted. */
export function drawBlockEffects({ ctx, frame, view, palette, nColumns }: Pen, { ffn, largestFfn }: EffectInk): void {
  const reach = ffnReach(frame.dx);
  eachCell(view, nColumns, (row) => {
    const style = styleOf(ffn, row);
    if (style !== UNKNOWN) batches.add(row, part(ffn, row, largestFfn), style);
  });
  batches.draw((strength, rows, style) => {
    const side = Math.min(2 + strength * 9, Math.max(2, frame.dy * 0.85), Math.max(2, frame.dx * 0.4));
    const hollow = predicted(style) && side >= 4;
    const colour = colourOf(style, palette);
    const seen = seenIn(palette, colour);
    // too small to be hollow, it is fainter instead
    const faint = predicted(style) && !hollow && !palette.contrast ? PREDICTED_OPACITY : 1;
    ctx.globalAlpha = Math.max(seen.least, Math.min(1, opacity(strength, seen) + 0.1) * faint);
    ctx.fillStyle = ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    for (const row of rows) {
      const layer = Math.floor(row / nColumns);
      const x = columnX(frame, row - layer * nColumns) + reach - side / 2;
      const y = levelY(frame, layer - 0.25) - side / 2;
      if (hollow) ctx.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
      else ctx.fillRect(x, y, side, side);
    }
  });
}
