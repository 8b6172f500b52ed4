/** A map of [query × key] as pixels: which tokens share a block, how much ink a block gets, and what is under a point. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices lie inside of the map by construction */

export interface Cell {
  query: number;
  key: number;
}

/**
 * How a map of `nTokens` is laid out: `blocks` a side, each `scale` device pixels wide. Its values come in `cells` a
 * side, which of a long prompt hold several tokens each.
 */
export interface Grid {
  nTokens: number;
  cells: number;
  blocks: number;
  scale: number;
  /** Device pixels of a block that stay empty, to tell it from the next. */
  gap: number;
  /** CSS pixels a side. */
  side: number;
}

/** Blocks this wide have a gap between them. */
const GAP_FROM = 6;
/** The logarithmic scale ends this many powers of ten under the largest value. */
export const DECADES = 4;
export const LEVELS = 256;

/** Whole device pixels only, so that a map is as sharp as the screen; more tokens than pixels share blocks. */
export function gridOf(nTokens: number, room: number, ratio: number, largest: number, cells = nTokens): Grid {
  const device = Math.max(1, Math.floor(room * ratio));
  const blocks = Math.min(cells, device);
  const scale = Math.max(1, Math.min(Math.floor(device / blocks), Math.round(largest * ratio)));
  const gap = scale >= GAP_FROM * ratio ? Math.max(1, Math.round(ratio)) : 0;
  return { nTokens, cells, blocks, scale, gap, side: (blocks * scale) / ratio };
}

/** The first cell of a block. */
const firstOf = (grid: Grid, block: number): number => Math.floor((block * grid.cells) / grid.blocks);

/** The cell that a token lies in. */
export const cellOf = ({ cells, nTokens }: Grid, token: number): number =>
  Math.floor(((token + 1) * cells - 1) / nTokens);

/** The block that a token lies in. */
export const blockOf = (grid: Grid, token: number): number => blockOfCell(grid, cellOf(grid, token));

const blockOfCell = ({ blocks, cells }: Grid, cell: number): number => Math.floor(((cell + 1) * blocks - 1) / cells);

/** The largest value of each block: one strong cell among many faint ones stays seen. */
export function blockLargest(values: Float32Array, grid: Grid): Float32Array {
  const { cells, blocks } = grid;
  if (blocks === cells) return values;
  const largest = new Float32Array(blocks * blocks);
  for (let query = 0; query < cells; query++) {
    const row = blockOfCell(grid, query) * blocks;
    for (let column = 0; column < blocks; column++) {
      const end = Math.min(firstOf(grid, column + 1), query + 1);
      for (let key = firstOf(grid, column); key < end; key++) {
        const value = values[query * cells + key]!;
        if (value > largest[row + column]!) largest[row + column] = value;
      }
    }
  }
  return largest;
}

export function largestOf(values: Float32Array): number {
  let largest = 0;
  for (const value of values) if (value > largest) largest = value;
  return largest;
}

/** Ink of a value, 0 … LEVELS − 1: by its square root, or by its logarithm over the last decades. */
export function levelOf(value: number, largest: number, logarithmic: boolean): number {
  if (!(value > 0) || !(largest > 0)) return 0;
  const part = value / largest;
  const ink = logarithmic ? 1 + Math.log10(part) / DECADES : Math.sqrt(part);
  return Math.round(Math.min(1, Math.max(0, ink)) * (LEVELS - 1));
}

/** The pixels of a map, `blocks · scale` a side; what lies above the diagonal stays clear. */
export function paint(values: Float32Array, grid: Grid, inks: Uint32Array, logarithmic: boolean): Uint32Array {
  const { blocks, scale, gap } = grid;
  const blockValues = blockLargest(values, grid);
  const largest = largestOf(blockValues);
  const width = blocks * scale;
  const pixels = new Uint32Array(width * width);
  for (let row = 0; row < blocks; row++) {
    const start = row * scale * width;
    for (let column = 0; column <= row; column++) {
      const ink = inks[levelOf(blockValues[row * blocks + column]!, largest, logarithmic)]!;
      pixels.fill(ink, start + column * scale, start + (column + 1) * scale - gap);
    }
    for (let line = 1; line < scale - gap; line++) pixels.copyWithin(start + line * width, start, start + width);
  }
  return pixels;
}

/**
 * What is under a point, in CSS pixels: of a block that holds several, the largest. Null above the diagonal. `at`: where
 * the largest of each cell is, if it holds several tokens.
 */
export function cellAt(
  values: Float32Array | null,
  grid: Grid,
  x: number,
  y: number,
  at: Uint32Array | null = null,
): Cell | null {
  const { nTokens, cells, blocks, side } = grid;
  const column = Math.floor((x / side) * blocks);
  const row = Math.floor((y / side) * blocks);
  if (column < 0 || row < 0 || row >= blocks || column > row) return null;
  let found: Cell | null = null;
  let most = -1;
  for (let query = firstOf(grid, row); query < firstOf(grid, row + 1); query++) {
    for (let key = firstOf(grid, column); key < firstOf(grid, column + 1) && key <= query; key++) {
      const value = values?.[query * cells + key] ?? 0;
      if (value > most) [found, most] = [{ query, key }, value];
    }
  }
  const place = found === null ? undefined : at?.[found.query * cells + found.key];
  return place === undefined ? found : { query: Math.floor(place / nTokens), key: place % nTokens };
}

/** Where a token's block begins, and how wide it is, in CSS pixels. */
export function spanOf(grid: Grid, token: number): { from: number; size: number } {
  const size = grid.side / grid.blocks;
  return { from: blockOf(grid, token) * size, size };
}

/** One step in a map by a key of the keyboard, staying on or under the diagonal; null for another key. */
export function stepCell(cell: Cell, key: string, nTokens: number): Cell | null {
  const inside = (query: number, column: number): Cell => {
    const row = Math.max(0, Math.min(nTokens - 1, query));
    return { query: row, key: Math.max(0, Math.min(row, column)) };
  };
  switch (key) {
    case 'ArrowLeft':
      return inside(cell.query, cell.key - 1);
    case 'ArrowRight':
      return inside(cell.query, cell.key + 1);
    case 'ArrowUp':
      return inside(cell.query - 1, cell.key);
    case 'ArrowDown':
      return inside(cell.query + 1, cell.key);
    case 'Home':
      return inside(cell.query, 0);
    case 'End':
      return inside(cell.query, cell.query);
    default:
      return null;
  }
}
