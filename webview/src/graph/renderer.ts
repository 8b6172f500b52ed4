/** Draws the graph on a canvas: batches of equal colour, width and opacity, faint ones first; what is off screen is left out. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { sizeOf } from '../groups/grouping';
import type { Shown, ShownEdges } from '../groups/shown';
import { ffnReach, loopReach, mixerReach, traceEdge } from './curves';
import { INK_STEPS, crowdOpacity, inkStep, lineWidth, opacity, strengthOf } from './ink';
import type { Frame } from './layout';
import { BAND_WIDTH, columnX, levelY, tokenX } from './layout';
import type { Palette } from './palette';
import { visibleWindow } from './window';
import type { Window } from './window';

export interface Scene {
  shown: Shown;
  /** While the target changes: the graph before, a column a token as now, and how far the new one has come (0 … 1). */
  before: Shown | null;
  progress: number;
}

/** Steps of strength by item, −1 for nothing to draw; filled anew for every kind of mark. */
class Batches {
  private readonly items: number[][] = Array.from({ length: INK_STEPS }, () => []);

  add(item: number, value: number): void {
    if (value > 0) this.items[inkStep(value)]!.push(item);
  }

  count(): number {
    return this.items.reduce((sum, items) => sum + items.length, 0);
  }

  /** Calls back once a step that holds anything, faint to strong. */
  draw(paint: (strength: number, items: number[]) => void): void {
    this.items.forEach((items, step) => {
      if (items.length > 0) paint(strengthOf(step), items);
      items.length = 0;
    });
  }
}

const batches = new Batches();

type Column = 'residual' | 'mixer' | 'ffn' | 'ffnResidual' | 'mass';

/** Reads the number that decides a mark's ink, eased from the graph before to the graph now. */
function inkReader(scene: Scene, column: Column): (index: number) => number {
  const now = scene.shown[column];
  const before = scene.before?.[column];
  const { progress } = scene;
  return before ? (i) => before[i]! * (1 - progress) + now[i]! * progress : (i) => now[i]!;
}

export function drawGraph(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, palette: Palette): void {
  const { nColumns } = scene.shown.columns;
  const nLayers = scene.shown.mass.length / nColumns - 1;
  const view = visibleWindow(frame, nLayers, nColumns);
  ctx.save();
  ctx.beginPath();
  ctx.rect(frame.plot.x, frame.plot.y, frame.plot.width, frame.plot.height);
  ctx.clip();
  drawBands(ctx, frame, view, nColumns, palette);
  drawColumn(ctx, frame, scene, palette);
  // Narrower than its marks, a column is a cell of heat.
  if (frame.dx < HEAT_BELOW) {
    drawHeat(ctx, frame, view, scene.shown, palette);
    drawAttention(ctx, frame, view, scene, palette);
  } else {
    drawDots(ctx, frame, view, palette);
    drawResiduals(ctx, frame, view, scene, palette, nColumns);
    drawAttention(ctx, frame, view, scene, palette);
    drawMixers(ctx, frame, view, scene, palette, nColumns);
    drawFeedForward(ctx, frame, view, scene, palette, nColumns);
    drawNodes(ctx, frame, view, scene, palette, nColumns);
  }
  ctx.restore();
}

function drawBands(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  nColumns: number,
  palette: Palette,
): void {
  if (palette.contrast || frame.dy < 5) return;
  const left = Math.max(frame.plot.x, columnX(frame, -0.5));
  const right = Math.min(frame.plot.x + frame.plot.width, columnX(frame, nColumns - 0.5));
  ctx.globalAlpha = palette.light ? 0.035 : 0.028;
  ctx.fillStyle = palette.band;
  for (let layer = view.firstLayer - (view.firstLayer % 2); layer <= view.lastLayer; layer += 2) {
    ctx.fillRect(left, Math.round(levelY(frame, layer + 0.5)), right - left, Math.round(frame.dy));
  }
}

function drawColumn(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, palette: Palette): void {
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

function drawDots(ctx: CanvasRenderingContext2D, frame: Frame, view: Window, palette: Palette): void {
  if (frame.dy < 5 || frame.dx < 5) return;
  ctx.globalAlpha = palette.contrast ? 0.7 : palette.light ? 0.32 : 0.27;
  ctx.fillStyle = palette.foreground;
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    const y = levelY(frame, layer) - 0.5;
    for (let t = view.firstColumn; t <= view.lastColumn; t++) ctx.fillRect(columnX(frame, t) - 0.5, y, 1, 1);
  }
}

function drawResiduals(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
  nColumns: number,
): void {
  const { parallel } = scene.shown.analysis.meta.model;
  ctx.strokeStyle = palette.residual;
  ctx.lineCap = 'butt';
  for (const [column, low, high] of [
    ['residual', -1, parallel ? 0 : -0.5],
    ['ffnResidual', -0.5, 0],
  ] as const) {
    const ink = inkReader(scene, column);
    eachCell(view, nColumns, (row) => batches.add(row, ink(row)));
    batches.draw((strength, rows) => {
      ctx.globalAlpha = opacity(strength, palette.contrast) * (palette.contrast ? 1 : 0.62);
      ctx.lineWidth = 0.8 + strength;
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

/** How much fainter edges are that do not stand out. */
const SUBDUED = 0.12;

function drawAttention(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
): void {
  if (!scene.shown.edges.vivid) {
    drawEdges(ctx, frame, view, scene, palette, null, 1);
    return;
  }
  drawEdges(ctx, frame, view, scene, palette, 0, SUBDUED);
  drawEdges(ctx, frame, view, scene, palette, 1, 1);
}

/** Draws the edges that stand out (1), those that do not (0), or all of them (null). */
function drawEdges(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
  wanted: 0 | 1 | null,
  presence: number,
): void {
  const { edges, routes, ink, analysis } = scene.shown;
  const rise = analysis.meta.model.parallel ? 1 : 0.5;
  const gone = scene.before?.edges;
  const flow = ink === 'flow';
  const valuesNow = gone && routes[flow ? 'attentionFlow' : 'attention'];
  const valuesBefore = scene.before?.routes[flow ? 'attentionFlow' : 'attention'];
  const visible = (of: ShownEdges, i: number): boolean =>
    of.layer[i]! >= view.firstLayer &&
    of.layer[i]! <= view.lastLayer + 1 &&
    of.query[i]! >= view.firstColumn &&
    of.key[i]! <= view.lastColumn &&
    (wanted === null || !of.vivid || of.vivid[i] === wanted);
  const { progress } = scene;
  const eased = (e: number): number => valuesBefore![e]! * (1 - progress) + valuesNow![e]! * progress;
  for (let i = 0; i < edges.count; i++) {
    if (visible(edges, i)) batches.add(i, valuesBefore ? eased(edges.strongest[i]!) : edges.ink[i]!);
  }
  // What only the graph before holds fades out; its edges are counted on.
  for (let i = 0; gone && i < gone.count; i++) {
    const e = gone.strongest[i]!;
    if (routes.attention[e] === 0 && visible(gone, i)) batches.add(edges.count + i, eased(e));
  }

  const loop = loopReach(frame.dx);
  const among = batches.count();
  ctx.strokeStyle = palette.attention;
  batches.draw((strength, items) => {
    const width = lineWidth(strength, palette.contrast);
    const weak = width <= 1;
    ctx.globalAlpha = opacity(strength, palette.contrast) * presence * (weak ? crowdOpacity(among) : 1);
    ctx.lineWidth = width;
    ctx.lineCap = weak ? 'butt' : 'round';
    for (let first = 0; first < items.length; first += EDGES_A_PATH) {
      ctx.beginPath();
      const end = Math.min(items.length, first + EDGES_A_PATH);
      for (let n = first; n < end; n++) {
        const now = items[n]! < edges.count;
        const from = now ? edges : gone!;
        const i = now ? items[n]! : items[n]! - edges.count;
        const level = from.layer[i]! - 1;
        const x1 = columnX(frame, from.key[i]!);
        const x2 = columnX(frame, from.query[i]!);
        traceEdge(ctx, x1, levelY(frame, level), x2, levelY(frame, level + rise), loop);
      }
      ctx.stroke();
    }
  });
}

/** Longer paths are slower to draw than several of this length. */
const EDGES_A_PATH = 500;

function drawFeedForward(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
  nColumns: number,
): void {
  const reach = ffnReach(frame.dx);
  const foot = scene.shown.analysis.meta.model.parallel ? -1 : -0.5;
  const ink = inkReader(scene, 'ffn');
  eachCell(view, nColumns, (row) => batches.add(row, ink(row)));
  ctx.strokeStyle = palette.ffn;
  ctx.fillStyle = palette.ffn;
  batches.draw((strength, rows) => {
    ctx.globalAlpha = opacity(strength, palette.contrast);
    const side = Math.min(2 + strength * 7, Math.max(2, frame.dy * 0.8), Math.max(2, frame.dx * 0.4));
    ctx.lineWidth = 0.7 + strength;
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
function drawMixers(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
  nColumns: number,
): void {
  if (scene.shown.analysis.meta.layerKinds.length === 0) return;
  const loop = loopReach(frame.dx);
  const rise = scene.shown.analysis.meta.model.parallel ? 1 : 0.5;
  const ink = inkReader(scene, 'mixer');
  eachCell(view, nColumns, (row) => batches.add(row, ink(row)));
  ctx.strokeStyle = palette.mixer;
  ctx.fillStyle = palette.mixer;
  ctx.setLineDash([3, 2]);
  batches.draw((strength, rows) => {
    ctx.globalAlpha = opacity(strength, palette.contrast);
    ctx.lineWidth = 0.7 + strength;
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

/** Nodes of a smaller radius are squares: nobody sees the difference, and they draw faster. */
const ROUND_FROM = 1.3;

function drawNodes(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
  nColumns: number,
): void {
  const most = Math.max(0.8, Math.min(2.4, frame.dy * 0.16));
  const { columns, reached } = scene.shown;
  ctx.fillStyle = palette.foreground;
  // Mass row 0 is the embeddings: node row r stands at layer r / C − 1.
  const massAt = inkReader(scene, 'mass');
  const local = scene.shown.ink === 'local';
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    for (let t = view.firstColumn; t <= view.lastColumn; t++) {
      const row = (layer + 1) * nColumns + t;
      batches.add(row, local ? (reached[row] ? 0.3 : 0) : massAt(row));
    }
  }
  batches.draw((strength, rows) => {
    ctx.globalAlpha = Math.max(columns.grouped ? 0.16 : 0.32, opacity(strength, palette.contrast));
    const radius = Math.max(0.8, most * (0.55 + 0.45 * strength));
    ctx.beginPath();
    for (const row of rows) {
      const x = columnX(frame, row % nColumns);
      const y = levelY(frame, Math.floor(row / nColumns) - 1);
      // The nodes of a group are a bar.
      if (columns.grouped && sizeOf(columns, row % nColumns) > 1) {
        const half = Math.min(GROUP_NODE, frame.dx * 0.3) * (0.5 + 0.5 * strength);
        ctx.rect(x - half, y - radius, 2 * half, 2 * radius);
        continue;
      }
      if (radius < ROUND_FROM) {
        ctx.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
        continue;
      }
      ctx.moveTo(x + radius, y);
      ctx.arc(x, y, radius, 0, 2 * Math.PI);
    }
    ctx.fill();
  });
}

/** Half the width of a group's strongest nodes, at most. */
const GROUP_NODE = 9;
const HEAT_BELOW = 4;

/** Mass as heat: a cell a column and layer, or a pixel where columns are narrower still, as strong as the strongest in it. */
function drawHeat(ctx: CanvasRenderingContext2D, frame: Frame, view: Window, shown: Shown, palette: Palette): void {
  const { mass, reached, columns, ink } = shown;
  const width = Math.max(1, frame.dx);
  const nCells = Math.ceil((view.lastColumn - view.firstColumn + 1) * (frame.dx / width)) + 1;
  const left = columnX(frame, view.firstColumn - 0.5);
  const height = Math.max(1, Math.min(frame.dy - 1, frame.dy * 0.7));
  const cells = new Float64Array(nCells);
  ctx.fillStyle = palette.foreground;
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    cells.fill(0);
    for (let t = view.firstColumn; t <= view.lastColumn; t++) {
      const row = (layer + 1) * columns.nColumns + t;
      const value = ink === 'local' ? (reached[row] ? 0.3 : 0) : mass[row]!;
      const cell = Math.floor(((t - view.firstColumn) * frame.dx) / width);
      if (value > cells[cell]!) cells[cell] = value;
    }
    for (let cell = 0; cell < nCells; cell++) batches.add(cell, cells[cell]!);
    const y = levelY(frame, layer) - height / 2;
    batches.draw((strength, items) => {
      ctx.globalAlpha = 0.85 * opacity(strength, palette.contrast);
      for (const cell of items) ctx.fillRect(left + cell * width, y, width, height);
    });
  }
}

function eachCell(view: Window, nColumns: number, visit: (row: number) => void): void {
  const last = view.lastLayer;
  for (let layer = view.firstLayer; layer <= last; layer++) {
    for (let t = view.firstColumn; t <= view.lastColumn; t++) visit(layer * nColumns + t);
  }
}
