/** The overlay: selection, hover and the keyboard's position. Cheap enough to draw on every pointer move. */
import { nodeLevel, parseEdge, parseNode } from '../words/names';
import type { EdgeRef, NodeRef } from '../words/names';
import { ffnReach, loopReach, traceEdge } from './curves';
import type { Frame } from './layout';
import { levelY, tokenX } from './layout';
import type { Palette } from './palette';

export interface Marks {
  selection: string | null;
  hover: string | null;
  caret: string | null;
  /** Column of the editor's cursor. */
  editorPosition: number | null;
  /** How far a new selection has faded in (0 … 1). */
  appeared: number;
  /** Kept edges of the selected node, and of the hovered one. */
  selectionEdges: string[];
  hoverEdges: string[];
}

export function drawMarks(ctx: CanvasRenderingContext2D, frame: Frame, marks: Marks, palette: Palette): void {
  const { plot } = frame;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.x, plot.y - 6, plot.width, plot.height + 12);
  ctx.clip();
  if (marks.editorPosition !== null) drawCursorColumn(ctx, frame, marks.editorPosition, palette);
  drawEdges(ctx, frame, marks.hoverEdges, palette.foreground, 0.5);
  drawEdges(ctx, frame, marks.selectionEdges, palette.selection, marks.appeared);
  if (marks.hover && marks.hover !== marks.selection) drawMark(ctx, frame, marks.hover, palette.foreground, 1.8, 0.85);
  if (marks.selection) {
    const width = palette.contrast ? 4 : 3;
    drawMark(ctx, frame, marks.selection, palette.selection, width, marks.appeared);
  }
  if (marks.caret) drawCaret(ctx, frame, marks.caret, palette);
  ctx.restore();
}

function drawEdges(ctx: CanvasRenderingContext2D, frame: Frame, names: string[], color: string, alpha: number): void {
  ctx.globalAlpha = alpha;
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.6;
  for (const name of names) {
    const edge = parseEdge(name);
    if (edge) drawEdge(ctx, frame, edge);
  }
}

function drawCursorColumn(ctx: CanvasRenderingContext2D, frame: Frame, position: number, palette: Palette): void {
  ctx.globalAlpha = palette.contrast ? 0.9 : 0.35;
  ctx.strokeStyle = palette.foreground;
  ctx.lineWidth = 1;
  ctx.setLineDash([1, 3]);
  ctx.beginPath();
  const x = Math.round(tokenX(frame, position) - Math.min(frame.dx / 2, 28)) + 0.5;
  ctx.moveTo(x, frame.plot.y);
  ctx.lineTo(x, frame.plot.y + frame.plot.height);
  ctx.stroke();
  ctx.setLineDash([]);
}

function drawMark(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  name: string,
  color: string,
  width: number,
  alpha: number,
): void {
  ctx.globalAlpha = alpha;
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = width;
  ctx.lineCap = 'round';
  ctx.lineJoin = 'round';
  const edge = parseEdge(name);
  if (edge) {
    drawEdge(ctx, frame, edge);
    for (const end of [edge.source, edge.target]) drawRing(ctx, frame, end, 3.6, 1.4);
    return;
  }
  const node = parseNode(name);
  if (node) drawRing(ctx, frame, node, 5, Math.min(2, width));
}

function drawEdge(ctx: CanvasRenderingContext2D, frame: Frame, edge: EdgeRef): void {
  const [x1, y1] = pointOf(frame, edge.source);
  const [x2, y2] = pointOf(frame, edge.target);
  ctx.beginPath();
  if (edge.kind === 'attention' || edge.kind === 'mixer') traceEdge(ctx, x1, y1, x2, y2, loopReach(frame.dx));
  else {
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
  }
  ctx.stroke();
}

function drawRing(ctx: CanvasRenderingContext2D, frame: Frame, node: NodeRef, radius: number, width: number): void {
  const [x, y] = pointOf(frame, node);
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}

/** A node's place on the stage: feed-forward blocks to the right of their column, biases to the left. */
export function pointOf(frame: Frame, node: NodeRef): [number, number] {
  const aside = node.letter === 'M' ? ffnReach(frame.dx) : node.letter === 'B' ? -ffnReach(frame.dx) : 0;
  return [tokenX(frame, node.position) + aside, levelY(frame, nodeLevel(node))];
}

function drawCaret(ctx: CanvasRenderingContext2D, frame: Frame, name: string, palette: Palette): void {
  const node = parseNode(name);
  if (!node) return;
  const [x, y] = pointOf(frame, node);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = palette.focus;
  ctx.lineWidth = palette.contrast ? 2 : 1.5;
  ctx.strokeRect(x - 7, y - 7, 14, 14);
}
