/** Two stacked canvases: the graph, and its overlay. Draws at most once per frame. */
import type { Shown } from '../groups/shown';
import type { Frame, Size } from './layout';
import { EASE_MS, ease, motionWanted } from './motion';
import { drawMarks } from './overlay';
import type { Marks } from './overlay';
import type { Palette } from './palette';
import { drawGraph } from './renderer';

export interface Picture {
  shown: Shown;
  frame: Frame;
  size: Size;
  palette: Palette;
  marks: Omit<Marks, 'appeared'>;
}

export class Painter {
  private picture: Picture | null = null;
  private drawn: Picture | null = null;
  private before: Shown | null = null;
  private targetSince = -Infinity;
  private selectionSince = -Infinity;
  private requested = 0;

  constructor(
    private readonly graph: HTMLCanvasElement,
    private readonly over: HTMLCanvasElement,
  ) {}

  /** Asks for this picture on the next frame. */
  show(picture: Picture): void {
    this.picture = picture;
    if (!this.requested) this.requested = requestAnimationFrame((now) => this.paint(now));
  }

  stop(): void {
    cancelAnimationFrame(this.requested);
    this.requested = 0;
  }

  private paint(now: number): void {
    this.requested = 0;
    const { picture, drawn } = this;
    if (!picture) return;
    this.noteChanges(picture, now);
    const moving = now - this.targetSince < EASE_MS;
    if (!moving) this.before = null;
    const sameGraph =
      drawn !== null &&
      drawn.shown === picture.shown &&
      drawn.frame === picture.frame &&
      drawn.size === picture.size &&
      drawn.palette === picture.palette;
    // The first frame after a move draws the end state.
    if (!sameGraph || this.targetSince !== -Infinity) this.paintGraph(picture, now);
    if (!moving) this.targetSince = -Infinity;
    this.paintMarks(picture, now);
    this.drawn = picture;
    if (moving || now - this.selectionSince < EASE_MS) this.show(picture);
  }

  private noteChanges(picture: Picture, now: number): void {
    const { drawn } = this;
    if (!drawn || !motionWanted()) return;
    const [was, is] = [drawn.shown, picture.shown];
    const same = was.analysis === is.analysis && !was.columns.grouped && !is.columns.grouped;
    if (same && !is.effects && was.routes.target !== is.routes.target) {
      this.before = was;
      this.targetSince = now;
    }
    if (!same || is.effects) this.targetSince = -Infinity;
    if (drawn.marks.selection !== picture.marks.selection) this.selectionSince = now;
  }

  private paintGraph(picture: Picture, now: number): void {
    const ctx = prepare(this.graph, picture.size);
    if (!ctx) return;
    const { shown, frame, palette } = picture;
    const progress = this.before ? ease(now - this.targetSince) : 1;
    drawGraph(ctx, frame, { shown, before: this.before, progress }, palette);
  }

  private paintMarks(picture: Picture, now: number): void {
    const ctx = prepare(this.over, picture.size);
    if (!ctx) return;
    drawMarks(ctx, picture.frame, { ...picture.marks, appeared: ease(now - this.selectionSince) }, picture.palette);
  }
}

/** Sizes the canvas to device pixels and clears it. */
export function prepare(canvas: HTMLCanvasElement, size: Size): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(size.width * ratio);
  const height = Math.round(size.height * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const ctx = canvas.getContext('2d');
  ctx?.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx?.clearRect(0, 0, size.width, size.height);
  return ctx;
}
