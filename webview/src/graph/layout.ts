/** The layout of tokens and layers. Positions are linear: x = x0 + t·dx, y = y0 − level·dy (in CSS pixels). */

export interface Size {
  width: number;
  height: number;
}

/** How the tokens are written under their columns: as chips, upright on narrow columns, or not at all. */
export type ChipStyle = 'flat' | 'upright' | 'hidden';

export interface Layout {
  /** The part of the stage in which the graph is drawn. */
  plot: { x: number; y: number; width: number; height: number };
  /** Distance of columns and of layers, before zooming. */
  columnWidth: number;
  layerHeight: number;
  chipsHeight: number;
  massHeight: number;
  /** Room over the last layer and under the embeddings. */
  padTop: number;
  padBottom: number;
  nColumns: number;
  nLayers: number;
}

/** Zoom and pan: scale and offset of the content inside the plot. */
export interface Camera {
  scaleX: number;
  scaleY: number;
  offsetX: number;
  offsetY: number;
}

/** The input to drawing: the linear map of one camera on one layout. */
export interface Frame {
  x0: number;
  dx: number;
  y0: number;
  dy: number;
  plot: Layout['plot'];
  /** [T] the column of each token; null: each has its own. */
  columnOf: Uint32Array | null;
}

export const LEFT_GUTTER = 54;
const RIGHT_PAD = 10;
export const HEADER_HEIGHT = 44;
const MASS_HEIGHT = 54;
const FLAT_CHIPS = 30;
const UPRIGHT_CHIPS = 74;
/** Groups have more to say than tokens, and a line under the tokens of an open one. */
const GROUP_CHIPS = 116;
export const GROUP_LINE = 12;
/** Below the first width a column's token is upright; below the second none fits, and the view pans instead. */
export const FLAT_MIN = 34;
export const UPRIGHT_MIN = 15;
const COLUMN_MAX = 124;
const LAYER_MIN = 4;
const LAYER_MAX = 84;
const CELL_MIN = 3;
const CELL_MAX = 34;
/** Width of the target's band and of its prediction. */
export const BAND_WIDTH = 56;
/** Space over the last layer and under the embeddings, in pixels. */
const PAD_TOP = 10;
const PAD_BOTTOM = 12;

/** Lays out C columns by L layers on a stage of this size; with `cells`, every node fills a cell of a grid. */
export function computeLayout(size: Size, nColumns: number, nLayers: number, cells = false, grouped = false): Layout {
  const width = Math.max(60, size.width - LEFT_GUTTER - RIGHT_PAD);
  const columnWidth = Math.min(COLUMN_MAX, Math.max(UPRIGHT_MIN, width / nColumns));
  const chips = columnWidth >= FLAT_MIN ? FLAT_CHIPS : UPRIGHT_CHIPS;
  // on a low stage the graph goes first
  const chipsHeight = grouped ? Math.max(chips, Math.min(GROUP_CHIPS, size.height / 5)) : chips;
  const available = size.height - HEADER_HEIGHT - chipsHeight - MASS_HEIGHT;
  // Levels run from −1 (embeddings) to L − 1; half a cell extends above and below them.
  const [least, most] = cells ? [CELL_MIN, CELL_MAX] : [LAYER_MIN, LAYER_MAX];
  const spare = cells ? 0 : PAD_TOP + PAD_BOTTOM;
  const steps = cells ? nLayers + 1 : nLayers;
  const layerHeight = Math.min(most, Math.max(least, (available - spare) / steps));
  const [padTop, padBottom] = cells ? [layerHeight / 2, layerHeight / 2] : [PAD_TOP, PAD_BOTTOM];
  return {
    plot: {
      x: LEFT_GUTTER,
      y: HEADER_HEIGHT,
      width,
      height: layerHeight * nLayers + padTop + padBottom,
    },
    columnWidth,
    layerHeight,
    chipsHeight,
    massHeight: MASS_HEIGHT,
    padTop,
    padBottom,
    nColumns,
    nLayers,
  };
}

/** The usual view: every layer, and every column unless columns are at their least width; then the target's column. */
export function homeCamera(layout: Layout, target: number): Camera {
  const camera = { scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0 };
  const wanted = (target + 0.5) * layout.columnWidth - layout.plot.width * 0.8;
  return clampCamera(layout, { ...camera, offsetX: wanted });
}

/** All columns, however narrow. */
export function wholeCamera(layout: Layout): Camera {
  return clampCamera(layout, { scaleX: leastScaleX(layout), scaleY: 1, offsetX: 0, offsetY: 0 });
}

const leastScaleX = (layout: Layout): number => Math.min(1, layout.plot.width / (layout.columnWidth * layout.nColumns));

const MOST_SCALE = 24;

/** Keeps scales in range and the content inside the plot; content smaller than the plot is centred. */
export function clampCamera(layout: Layout, camera: Camera): Camera {
  const scaleX = Math.min(MOST_SCALE, Math.max(leastScaleX(layout), camera.scaleX));
  const scaleY = Math.min(MOST_SCALE, Math.max(1, camera.scaleY));
  const spareX = layout.columnWidth * layout.nColumns * scaleX - layout.plot.width;
  const spareY = layout.plot.height * (scaleY - 1);
  return {
    scaleX,
    scaleY,
    offsetX: spareX <= 0 ? spareX / 2 : Math.min(spareX, Math.max(0, camera.offsetX)),
    offsetY: Math.min(spareY, Math.max(0, camera.offsetY)),
  };
}

/** Zooms by a factor around a point of the stage. */
export function zoomCamera(layout: Layout, camera: Camera, factor: number, x: number, y: number): Camera {
  const wanted = clampCamera(layout, { ...camera, scaleX: camera.scaleX * factor, scaleY: camera.scaleY * factor });
  const px = x - layout.plot.x;
  const py = y - layout.plot.y;
  return clampCamera(layout, {
    ...wanted,
    offsetX: ((px + camera.offsetX) * wanted.scaleX) / camera.scaleX - px,
    offsetY: ((py + camera.offsetY) * wanted.scaleY) / camera.scaleY - py,
  });
}

export function panCamera(layout: Layout, camera: Camera, byX: number, byY: number): Camera {
  return clampCamera(layout, { ...camera, offsetX: camera.offsetX + byX, offsetY: camera.offsetY + byY });
}

export function frameOf(layout: Layout, camera: Camera, columnOf: Uint32Array | null = null): Frame {
  const { plot, columnWidth, layerHeight, nLayers, padTop } = layout;
  const dx = columnWidth * camera.scaleX;
  const dy = layerHeight * camera.scaleY;
  const top = padTop * camera.scaleY;
  return {
    x0: plot.x - camera.offsetX + dx / 2,
    dx,
    y0: plot.y - camera.offsetY + top + (nLayers - 1) * dy,
    dy,
    plot,
    columnOf,
  };
}

export const columnX = (frame: Frame, column: number): number => frame.x0 + column * frame.dx;
/** The column of a token, alone or with others. */
export const columnOf = (frame: Frame, position: number): number => frame.columnOf?.[position] ?? position;
export const tokenX = (frame: Frame, position: number): number => columnX(frame, columnOf(frame, position));
export const levelY = (frame: Frame, level: number): number => frame.y0 - level * frame.dy;

/** The column under x, or −1. */
export function columnAt(frame: Frame, nColumns: number, x: number): number {
  const column = Math.round((x - frame.x0) / frame.dx);
  return column >= 0 && column < nColumns ? column : -1;
}

export function chipStyle(columnWidth: number): ChipStyle {
  if (columnWidth >= FLAT_MIN) return 'flat';
  return columnWidth >= UPRIGHT_MIN - 1 ? 'upright' : 'hidden';
}

/** Scrolls just far enough to have a column and a level in view. */
export function revealed(layout: Layout, camera: Camera, column: number, level: number): Camera {
  const frame = frameOf(layout, camera);
  const margin = Math.min(frame.dx, 60);
  const x = columnX(frame, column);
  const y = levelY(frame, level);
  const { plot } = layout;
  const byX = x < plot.x + margin ? x - plot.x - margin : Math.max(0, x - (plot.x + plot.width - margin));
  const byY = y < plot.y + 8 ? y - plot.y - 8 : Math.max(0, y - (plot.y + plot.height - 8));
  const next = panCamera(layout, camera, byX, byY);
  return next.offsetX === camera.offsetX && next.offsetY === camera.offsetY ? camera : next;
}

/** The camera on a changed number of columns: of the same scale, with a column where another one was before. */
export function followed(before: Layout, camera: Camera, from: number, layout: Layout, to: number): Camera {
  const frame = frameOf(before, camera);
  const scaleX = frame.dx / layout.columnWidth;
  const offsetX = layout.plot.x + frame.dx / 2 + to * frame.dx - columnX(frame, from);
  return clampCamera(layout, { ...camera, scaleX, offsetX });
}

/** A length for an element's style. */
export const px = (value: number): string => `${Math.round(value * 100) / 100}px`;
