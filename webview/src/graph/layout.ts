/**
 * The layout of tokens and layers. Positions are linear: x = x0 + t·dx, y = y0 − level·dy (in CSS pixels); between folds,
 * which are narrower than columns, x follows from the columns' borders.
 */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { COLUMN_LEAST, FOLD_LEAST } from '../groups/folds';
import { FOLD } from '../groups/grouping';

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
  /** Width of all columns, before zooming. */
  width: number;
  /** [C+1] where each column begins, and where the last ends, before zooming; null: all are equally wide. */
  borders: Float64Array | null;
  chips: ChipStyle;
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
  /** [C+1] where columns begin before zooming, and the zoom; null: all are equally wide. */
  borders: Float64Array | null;
  scaleX: number;
  /** [T] the column of each token; null: each has its own. */
  columnOf: Uint32Array | null;
}

export const LEFT_GUTTER = 54;
const RIGHT_PAD = 10;
export const HEADER_HEIGHT = 44;
const MASS_HEIGHT = 54;
const FLAT_CHIPS = 30;
/** Upright chips are as high as their tokens need, within these. */
const UPRIGHT_CHIPS = [46, 76] as const;
/** Around an upright token, with the gaps over and under its chip. */
const CHIP_GAPS = 10;
/** Groups have more to say than tokens, and a line under the tokens of an open one. */
const GROUP_CHIPS = 116;
export const GROUP_LINE = 12;
/** Below the first width no token lies flat, from the second on all do; between them it depends on the longest. */
const FLAT_MIN = 34;
const FLAT_ALWAYS = 60;
/** Width of a fold where there is room. */
const FOLD_MAX = 18;
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

export interface LayoutOptions {
  /** Every node fills a cell of a grid. */
  cells?: boolean;
  grouped?: boolean;
  /** [C] FOLD where a column is one. */
  kind?: Uint8Array | null;
  /** Pixels that the longest token takes when it lies flat. */
  longest?: number;
}

/** Lays out C columns by L layers on a stage of this size. */
export function computeLayout(size: Size, nColumns: number, nLayers: number, options: LayoutOptions = {}): Layout {
  const { cells = false, grouped = false, kind = null, longest = FLAT_MIN } = options;
  const width = plotWidth(size);
  const { columnWidth, borders } = columnPlaces(width, nColumns, kind);
  const chips = columnWidth >= Math.max(FLAT_MIN, Math.min(FLAT_ALWAYS, longest)) ? 'flat' : 'upright';
  const [lowestChips, highestChips] = UPRIGHT_CHIPS;
  // with folds other tokens come and go, and the graph stays as high as it is
  const wanted = kind ? highestChips : Math.min(highestChips, Math.max(lowestChips, longest + CHIP_GAPS));
  const least = chips === 'flat' ? FLAT_CHIPS : wanted;
  // on a low stage the graph goes first
  const chipsHeight = grouped && !kind ? Math.max(least, Math.min(GROUP_CHIPS, size.height / 5)) : least;
  const available = size.height - HEADER_HEIGHT - chipsHeight - MASS_HEIGHT;
  // Levels run from −1 (embeddings) to L − 1; half a cell extends above and below them.
  const [lowest, most] = cells ? [CELL_MIN, CELL_MAX] : [LAYER_MIN, LAYER_MAX];
  const spare = cells ? 0 : PAD_TOP + PAD_BOTTOM;
  const steps = cells ? nLayers + 1 : nLayers;
  const layerHeight = Math.min(most, Math.max(lowest, (available - spare) / steps));
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
    width: borders ? borders[nColumns]! : columnWidth * nColumns,
    borders,
    chips,
  };
}

/** Width of the part of the stage in which the graph is drawn. */
export const plotWidth = (size: Size): number => Math.max(60, size.width - LEFT_GUTTER - RIGHT_PAD);

/** Columns share the room that folds leave them; folds are as wide as their text if columns keep their least width. */
function columnPlaces(
  width: number,
  nColumns: number,
  kind: Uint8Array | null,
): { columnWidth: number; borders: Float64Array | null } {
  const nFolds = kind?.reduce((sum, what) => sum + Number(what === FOLD), 0) ?? 0;
  const within = (room: number, n: number, least: number, most: number): number =>
    Math.min(most, Math.max(least, room / Math.max(1, n)));
  const foldWidth = within(width - (nColumns - nFolds) * COLUMN_LEAST, nFolds, FOLD_LEAST, FOLD_MAX);
  const columnWidth = within(width - nFolds * foldWidth, nColumns - nFolds, COLUMN_LEAST, COLUMN_MAX);
  if (!kind || nFolds === 0) return { columnWidth, borders: null };
  const borders = new Float64Array(nColumns + 1);
  for (let column = 0; column < nColumns; column++)
    borders[column + 1] = borders[column]! + (kind[column] === FOLD ? foldWidth : columnWidth);
  return { columnWidth, borders };
}

/** Where a column is before zooming; between whole numbers, between its borders: column − ½ is the left one. */
function placeOf(borders: Float64Array | null, columnWidth: number, column: number): number {
  if (!borders) return (column + 0.5) * columnWidth;
  const at = Math.min(borders.length - 2, Math.max(0, Math.floor(column + 0.5)));
  return borders[at]! + (borders[at + 1]! - borders[at]!) * (column + 0.5 - at);
}

/** The usual view: every layer, and every column unless columns are at their least width; then the target's column. */
export function homeCamera(layout: Layout, target: number): Camera {
  const camera = { scaleX: 1, scaleY: 1, offsetX: 0, offsetY: 0 };
  const wanted = placeOf(layout.borders, layout.columnWidth, target) - layout.plot.width * 0.8;
  return clampCamera(layout, { ...camera, offsetX: wanted });
}

/** All columns, however narrow. */
export function wholeCamera(layout: Layout): Camera {
  return clampCamera(layout, { scaleX: leastScaleX(layout), scaleY: 1, offsetX: 0, offsetY: 0 });
}

const leastScaleX = (layout: Layout): number => Math.min(1, layout.plot.width / layout.width);

const MOST_SCALE = 24;

/** Keeps scales in range and the content inside the plot; content smaller than the plot is centred. */
export function clampCamera(layout: Layout, camera: Camera): Camera {
  const scaleX = Math.min(MOST_SCALE, Math.max(leastScaleX(layout), camera.scaleX));
  const scaleY = Math.min(MOST_SCALE, Math.max(1, camera.scaleY));
  const spareX = layout.width * scaleX - layout.plot.width;
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
  const { plot, columnWidth, layerHeight, nLayers, padTop, borders } = layout;
  const dx = columnWidth * camera.scaleX;
  const dy = layerHeight * camera.scaleY;
  const top = padTop * camera.scaleY;
  return {
    x0: plot.x - camera.offsetX + dx / 2,
    borders,
    scaleX: camera.scaleX,
    dx,
    y0: plot.y - camera.offsetY + top + (nLayers - 1) * dy,
    dy,
    plot,
    columnOf,
  };
}

export function columnX({ x0, dx, borders, scaleX }: Frame, column: number): number {
  return borders ? x0 - dx / 2 + placeOf(borders, 0, column) * scaleX : x0 + column * dx;
}

/** A column's width on screen; a fold's is less than that of the others, `dx`. */
export const columnWidth = (frame: Frame, column: number): number =>
  frame.borders ? columnX(frame, column + 0.5) - columnX(frame, column - 0.5) : frame.dx;

/** The column of a token, alone or with others. */
export const columnOf = (frame: Frame, position: number): number => frame.columnOf?.[position] ?? position;
export const tokenX = (frame: Frame, position: number): number => columnX(frame, columnOf(frame, position));
export const levelY = (frame: Frame, level: number): number => frame.y0 - level * frame.dy;

/** The column under x, or −1. */
export function columnAt(frame: Frame, nColumns: number, x: number): number {
  const column = nearestColumn(frame, nColumns, x);
  return column >= 0 && column < nColumns ? column : -1;
}

/** The column under x; beyond the columns, a number below 0 or above the last. */
export function nearestColumn({ x0, dx, borders, scaleX }: Frame, nColumns: number, x: number): number {
  if (!borders) return Math.round((x - x0) / dx);
  const place = (x - x0 + dx / 2) / scaleX;
  if (place < 0 || place >= borders[nColumns]!) return place < 0 ? -1 : nColumns;
  return firstWhere(nColumns, (column) => borders[column + 1]! > place);
}

/** The first number at which something holds that goes on holding. */
function firstWhere(end: number, holds: (at: number) => boolean): number {
  let low = 0;
  let high = end;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** How tokens are written once zoomed: upright, or where not even that has room, not at all. */
export function chipStyle({ chips }: Pick<Layout, 'chips'>, dx: number): ChipStyle {
  if (dx >= FLAT_ALWAYS || (chips === 'flat' && dx >= FLAT_MIN)) return 'flat';
  return dx >= COLUMN_LEAST - 1 ? 'upright' : 'hidden';
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

/** The camera on changed columns: of the same scale, with a column where another one was before. */
export function followed(before: Layout, camera: Camera, from: number, layout: Layout, to: number): Camera {
  const frame = frameOf(before, camera);
  const scaleX = frame.dx / layout.columnWidth;
  const offsetX = layout.plot.x + placeOf(layout.borders, layout.columnWidth, to) * scaleX - columnX(frame, from);
  return clampCamera(layout, { ...camera, scaleX, offsetX });
}

/** A length for an element's style. */
export const px = (value: number): string => `${Math.round(value * 100) / 100}px`;
