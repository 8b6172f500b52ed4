/** Draws the graph on a canvas: batches of equal colour, width and opacity, faint ones first; what is off screen is left out. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { Analysis } from '../payload';
import type { Routes } from '../routes/routes';
import type { Ink } from '../state';
import { ffnReach, loopReach, mixerReach, traceEdge } from './curves';
import { INK_STEPS, MOST_EDGES, crowdOpacity, faintestDrawn, inkStep, lineWidth, opacity, strengthOf } from './ink';
import type { Frame } from './layout';
import { BAND_WIDTH, columnX, levelY } from './layout';
import type { Palette } from './palette';
import { visibleWindow } from './window';
import type { Window } from './window';

export interface Scene {
  analysis: Analysis;
  routes: Routes;
  ink: Ink;
  /** [E] 1 for the edges that stand out; null: all of them. */
  emphasis: Uint8Array | null;
  /** While the target changes: the graph before, and how far the new one has come (0 … 1). */
  before: Routes | null;
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

type Column = 'attention' | 'residual' | 'mixer' | 'ffn' | 'ffnResidual';

/** Reads the number that decides an edge's ink, eased from the graph before to the graph now. */
function inkReader(scene: Scene, column: Column): (index: number) => number {
  const name = scene.ink === 'flow' ? (`${column}Flow` as const) : column;
  const now = scene.routes[name];
  const before = scene.before?.[name];
  const { progress } = scene;
  return before ? (i) => before[i]! * (1 - progress) + now[i]! * progress : (i) => now[i]!;
}

export function drawGraph(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, palette: Palette): void {
  const nLayers = scene.routes.mass.length / scene.analysis.meta.tokens.length - 1;
  const nTokens = scene.analysis.meta.tokens.length;
  const view = visibleWindow(frame, nLayers, nTokens);
  ctx.save();
  ctx.beginPath();
  ctx.rect(frame.plot.x, frame.plot.y, frame.plot.width, frame.plot.height);
  ctx.clip();
  drawBands(ctx, frame, view, nTokens, palette);
  drawColumn(ctx, frame, scene, palette);
  drawDots(ctx, frame, view, palette);
  drawResiduals(ctx, frame, view, scene, palette, nTokens);
  drawAttention(ctx, frame, view, scene, palette);
  drawMixers(ctx, frame, view, scene, palette, nTokens);
  drawFeedForward(ctx, frame, view, scene, palette, nTokens);
  drawNodes(ctx, frame, view, scene, palette, nTokens);
  ctx.restore();
}

function drawBands(ctx: CanvasRenderingContext2D, frame: Frame, view: Window, nTokens: number, palette: Palette): void {
  if (palette.contrast || frame.dy < 5) return;
  const left = Math.max(frame.plot.x, columnX(frame, -0.5));
  const right = Math.min(frame.plot.x + frame.plot.width, columnX(frame, nTokens - 0.5));
  ctx.globalAlpha = palette.light ? 0.035 : 0.028;
  ctx.fillStyle = palette.band;
  for (let layer = view.firstLayer - (view.firstLayer % 2); layer <= view.lastLayer; layer += 2) {
    ctx.fillRect(left, Math.round(levelY(frame, layer + 0.5)), right - left, Math.round(frame.dy));
  }
}

function drawColumn(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, palette: Palette): void {
  const from = scene.before?.target ?? scene.routes.target;
  const position = from + (scene.routes.target - from) * scene.progress;
  const width = Math.max(12, Math.min(frame.dx - 2, BAND_WIDTH));
  const x = columnX(frame, position) - width / 2;
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
  nTokens: number,
): void {
  const { parallel } = scene.analysis.meta.model;
  ctx.strokeStyle = palette.residual;
  ctx.lineCap = 'butt';
  for (const [column, low, high] of [
    ['residual', -1, parallel ? 0 : -0.5],
    ['ffnResidual', -0.5, 0],
  ] as const) {
    const ink = inkReader(scene, column);
    eachCell(view, nTokens, (row) => batches.add(row, ink(row)));
    batches.draw((strength, rows) => {
      ctx.globalAlpha = opacity(strength, palette.contrast) * (palette.contrast ? 1 : 0.62);
      ctx.lineWidth = 0.8 + strength;
      ctx.beginPath();
      for (const row of rows) {
        const layer = Math.floor(row / nTokens);
        const x = columnX(frame, row - layer * nTokens);
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
  const { emphasis } = scene;
  if (!emphasis) {
    drawEdges(ctx, frame, view, scene, palette, () => true, 1);
    return;
  }
  drawEdges(ctx, frame, view, scene, palette, (e) => emphasis[e] === 0, SUBDUED);
  drawEdges(ctx, frame, view, scene, palette, (e) => emphasis[e] === 1, 1);
}

function drawEdges(
  ctx: CanvasRenderingContext2D,
  frame: Frame,
  view: Window,
  scene: Scene,
  palette: Palette,
  wanted: (edge: number) => boolean,
  presence: number,
): void {
  const { edgeLayer, edgeQuery, edgeKey } = scene.analysis.columns;
  const { parallel } = scene.analysis.meta.model;
  const rise = parallel ? 1 : 0.5;
  const ink = inkReader(scene, 'attention');
  const faintest = faintestDrawn(scene.routes.kept, ink, MOST_EDGES);
  const add = (e: number): void => {
    const layer = edgeLayer[e]!;
    if (layer < view.firstLayer || layer > view.lastLayer + 1) return;
    if (edgeQuery[e]! < view.firstColumn || edgeKey[e]! > view.lastColumn) return;
    const value = ink(e);
    if (value >= faintest && wanted(e)) batches.add(e, value);
  };
  for (const e of scene.routes.kept) add(e);
  // What only the graph before holds fades out.
  if (scene.before) for (const e of scene.before.kept) if (scene.routes.attention[e] === 0) add(e);

  const loop = loopReach(frame.dx);
  const among = batches.count();
  ctx.strokeStyle = palette.attention;
  batches.draw((strength, edges) => {
    const width = lineWidth(strength, palette.contrast);
    const weak = width <= 1;
    ctx.globalAlpha = opacity(strength, palette.contrast) * presence * (weak ? crowdOpacity(among) : 1);
    ctx.lineWidth = width;
    ctx.lineCap = weak ? 'butt' : 'round';
    for (let first = 0; first < edges.length; first += EDGES_A_PATH) {
      ctx.beginPath();
      const end = Math.min(edges.length, first + EDGES_A_PATH);
      for (let i = first; i < end; i++) {
        const e = edges[i]!;
        const level = edgeLayer[e]! - 1;
        const x1 = columnX(frame, edgeKey[e]!);
        const x2 = columnX(frame, edgeQuery[e]!);
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
  nTokens: number,
): void {
  const reach = ffnReach(frame.dx);
  const foot = scene.analysis.meta.model.parallel ? -1 : -0.5;
  const ink = inkReader(scene, 'ffn');
  eachCell(view, nTokens, (row) => batches.add(row, ink(row)));
  ctx.strokeStyle = palette.ffn;
  ctx.fillStyle = palette.ffn;
  batches.draw((strength, rows) => {
    ctx.globalAlpha = opacity(strength, palette.contrast);
    const side = Math.min(2 + strength * 7, Math.max(2, frame.dy * 0.8), Math.max(2, frame.dx * 0.4));
    ctx.lineWidth = 0.7 + strength;
    if (frame.dy >= 8 && frame.dx >= 12) {
      ctx.beginPath();
      for (const row of rows) {
        const layer = Math.floor(row / nTokens);
        const x = columnX(frame, row - layer * nTokens);
        ctx.moveTo(x, levelY(frame, layer + foot));
        ctx.lineTo(x + reach, levelY(frame, layer - 0.25));
        ctx.lineTo(x, levelY(frame, layer));
      }
      ctx.stroke();
    }
    for (const row of rows) {
      const layer = Math.floor(row / nTokens);
      const x = columnX(frame, row - layer * nTokens) + reach;
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
  nTokens: number,
): void {
  if (scene.analysis.meta.layerKinds.length === 0) return;
  const loop = loopReach(frame.dx);
  const rise = scene.analysis.meta.model.parallel ? 1 : 0.5;
  const ink = inkReader(scene, 'mixer');
  eachCell(view, nTokens, (row) => batches.add(row, ink(row)));
  ctx.strokeStyle = palette.mixer;
  ctx.fillStyle = palette.mixer;
  ctx.setLineDash([3, 2]);
  batches.draw((strength, rows) => {
    ctx.globalAlpha = opacity(strength, palette.contrast);
    ctx.lineWidth = 0.7 + strength;
    ctx.beginPath();
    for (const row of rows) {
      const level = Math.floor(row / nTokens) - 1;
      const x = columnX(frame, row % nTokens);
      traceEdge(ctx, x, levelY(frame, level), x, levelY(frame, level + rise), loop);
    }
    ctx.stroke();
    const half = Math.min(1.5 + strength * 4, Math.max(1.5, frame.dy * 0.3), Math.max(1.5, frame.dx * 0.15));
    ctx.beginPath();
    for (const row of rows) {
      const x = columnX(frame, row % nTokens) - mixerReach(frame.dx);
      const y = levelY(frame, Math.floor(row / nTokens) - 1 + rise / 2);
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
  nTokens: number,
): void {
  const most = Math.max(0.8, Math.min(2.4, frame.dy * 0.16));
  const before = scene.before?.mass;
  ctx.fillStyle = palette.foreground;
  // Mass row 0 is the embeddings: node row r stands at layer r / T − 1.
  const massAt = (row: number): number =>
    before ? before[row]! * (1 - scene.progress) + scene.routes.mass[row]! * scene.progress : scene.routes.mass[row]!;
  const local = scene.ink === 'local';
  for (let layer = view.firstLayer - 1; layer <= view.lastLayer; layer++) {
    for (let t = view.firstColumn; t <= view.lastColumn; t++) {
      const row = (layer + 1) * nTokens + t;
      batches.add(row, local ? (scene.routes.reached[row] ? 0.3 : 0) : massAt(row));
    }
  }
  batches.draw((strength, rows) => {
    ctx.globalAlpha = Math.max(0.32, opacity(strength, palette.contrast));
    const radius = Math.max(0.8, most * (0.55 + 0.45 * strength));
    ctx.beginPath();
    for (const row of rows) {
      const x = columnX(frame, row % nTokens);
      const y = levelY(frame, Math.floor(row / nTokens) - 1);
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

function eachCell(view: Window, nTokens: number, visit: (row: number) => void): void {
  const last = view.lastLayer;
  for (let layer = view.firstLayer; layer <= last; layer++) {
    for (let t = view.firstColumn; t <= view.lastColumn; t++) visit(layer * nTokens + t);
  }
}
