/** The context that every mark is drawn with. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Shown } from '../../groups/shown';
import { INK_STEPS, inkStep, strengthOf } from '../ink';
import type { Frame } from '../layout';
import type { Palette } from '../palette';
import type { Window } from '../window';

export interface Scene {
  shown: Shown;
  /** While the target changes: the previous graph, with the same columns, and the progress of the new one (0 … 1). */
  before: Shown | null;
  progress: number;
}

export interface Pen {
  ctx: CanvasRenderingContext2D;
  frame: Frame;
  /** The part of the graph on screen. */
  view: Window;
  scene: Scene;
  palette: Palette;
  nColumns: number;
}

/** How many styles of one kind of mark there are at most. */
const STYLES = 5;

/** Items by steps of strength, and of one strength by style; refilled for every kind of mark. */
class Batches {
  private readonly items: number[][] = Array.from({ length: INK_STEPS * STYLES }, () => []);

  add(item: number, value: number, style = 0): void {
    if (value > 0) this.items[inkStep(value) * STYLES + style]!.push(item);
  }

  count(): number {
    return this.items.reduce((sum, items) => sum + items.length, 0);
  }

  /** How many items each step of strength holds. */
  counts(): number[] {
    const counts = Array.from({ length: INK_STEPS }, () => 0);
    this.items.forEach((items, i) => (counts[Math.floor(i / STYLES)]! += items.length));
    return counts;
  }

  /** Calls back once a step and style that hold anything, faint to strong. */
  draw(paint: (strength: number, items: number[], style: number) => void): void {
    this.items.forEach((items, i) => {
      if (items.length > 0) paint(strengthOf(Math.floor(i / STYLES)), items, i % STYLES);
      items.length = 0;
    });
  }
}

/** One for all marks: each empties it. */
export const batches = new Batches();

type Column = 'residual' | 'mixer' | 'ffn' | 'ffnResidual' | 'mass';

/** Reads the number that decides a mark's ink, eased from the graph before to the graph now. */
export function inkReader(scene: Scene, column: Column): (index: number) => number {
  const now = scene.shown[column];
  const before = scene.before?.[column];
  const { progress } = scene;
  return before ? (i) => before[i]! * (1 - progress) + now[i]! * progress : (i) => now[i]!;
}

/** Visits the blocks on screen. */
export function eachCell(view: Window, nColumns: number, visit: (row: number) => void): void {
  const last = view.lastLayer;
  for (let layer = view.firstLayer; layer <= last; layer++) {
    for (let t = view.firstColumn; t <= view.lastColumn; t++) visit(layer * nColumns + t);
  }
}
