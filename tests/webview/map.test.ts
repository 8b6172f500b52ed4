import { describe, expect, it } from 'vitest';
import {
  DECADES,
  LEVELS,
  blockLargest,
  blockOf,
  cellAt,
  cellOf,
  gridOf,
  levelOf,
  paint,
  spanOf,
  stepCell,
} from '../../webview/src/inspectors/cells';
import { inksOf } from '../../webview/src/inspectors/inks';

const at = (n: number, query: number, key: number): number => query * n + key;
/** Inks that are their own level, so that a pixel says what it stands for; 0 would be a clear pixel. */
const inks = Uint32Array.from({ length: LEVELS }, (_, level) => level + 1);

describe('the grid of a map', () => {
  it('has whole device pixels a cell, and gaps where there is room', () => {
    expect(gridOf(15, 124, 1, 14)).toMatchObject({ blocks: 15, scale: 8, gap: 1, side: 120 });
    expect(gridOf(15, 124, 2, 14)).toMatchObject({ blocks: 15, scale: 16, gap: 2, side: 120 });
    expect(gridOf(100, 124, 1, 14)).toMatchObject({ blocks: 100, scale: 1, gap: 0, side: 100 });
    expect(gridOf(4, 300, 1, 14).side).toBe(56);
  });

  it('shares blocks where tokens outnumber pixels, every token in one block, in order', () => {
    const grid = gridOf(512, 124, 1, 14);
    expect(grid).toMatchObject({ blocks: 124, scale: 1 });
    const blocks = Array.from({ length: 512 }, (_, token) => blockOf(grid, token));
    expect(blocks[0]).toBe(0);
    expect(blocks[511]).toBe(123);
    expect(new Set(blocks).size).toBe(124);
    expect(blocks).toEqual([...blocks].sort((a, b) => a - b));
    expect(spanOf(grid, 511)).toEqual({ from: 123, size: 1 });
  });
});

describe('the ink of a map', () => {
  it('grows with the square root, or with the logarithm over the last decades', () => {
    expect(levelOf(0.25, 1, false)).toBe(128);
    expect(levelOf(1, 1, false)).toBe(255);
    expect(levelOf(1, 1, true)).toBe(255);
    expect(levelOf(0.01, 1, true)).toBe(Math.round(255 * (1 - 2 / DECADES)));
    expect(levelOf(1e-9, 1, true)).toBe(0);
    for (const nothing of [levelOf(0, 1, false), levelOf(0, 1, true), levelOf(0, 0, false)]) expect(nothing).toBe(0);
  });

  it('shows a single strong cell among a quarter of a million faint ones', () => {
    const n = 512;
    const values = new Float32Array(n * n);
    values[at(n, 400, 137)] = 0.7;
    const grid = gridOf(n, 124, 1, 14);
    const blocks = blockLargest(values, grid);
    expect(blocks[blockOf(grid, 400) * 124 + blockOf(grid, 137)]).toBeCloseTo(0.7);
    const strong = [...paint(values, grid, inks, false)].filter((pixel) => pixel === LEVELS);
    expect(strong).toHaveLength(1);
  });

  it('fills a cell but its gap, and leaves what lies above the diagonal clear', () => {
    const values = Float32Array.from([1, 0, 0.25, 1]);
    const grid = gridOf(2, 14, 1, 14);
    expect(grid).toMatchObject({ scale: 7, gap: 1 });
    const pixels = paint(values, grid, inks, false);
    const pixel = (x: number, y: number): number | undefined => pixels[y * 14 + x];
    expect([pixel(0, 0), pixel(5, 5), pixel(6, 0), pixel(0, 6), pixel(7, 0)]).toEqual([256, 256, 0, 0, 0]);
    expect([pixel(0, 7), pixel(5, 12), pixel(7, 7)]).toEqual([129, 129, 256]);
  });

  it('is one hue that only gains contrast, on dark and on light', () => {
    const brightness = (ink: number): number => (ink & 255) + ((ink >> 8) & 255) + ((ink >> 16) & 255);
    for (const light of [false, true]) {
      const [background, foreground] = light ? [255, 50] : [31, 204];
      const table = inksOf({
        background: [background, background, background],
        foreground: [foreground, foreground, foreground],
        hue: [55, 148, 255],
        light,
        contrast: false,
      });
      const steps = [...table].slice(1).map(brightness);
      expect(steps).toEqual([...steps].sort((a, b) => (light ? b - a : a - b)));
      expect([...table].every((ink) => ink >>> 24 === 255)).toBe(true);
    }
  });
});

describe('a point on a map', () => {
  it('is the cell under it, and nothing above the diagonal', () => {
    const grid = gridOf(4, 40, 1, 10);
    expect(cellAt(null, grid, 15, 35)).toEqual({ query: 3, key: 1 });
    expect(cellAt(null, grid, 35, 15)).toBe(null);
    expect(cellAt(null, grid, 5, 41)).toBe(null);
  });

  it('is the strongest cell where several share a pixel', () => {
    const n = 8;
    const values = new Float32Array(n * n);
    values[at(n, 5, 2)] = 0.3;
    const grid = gridOf(n, 4, 1, 14);
    expect(cellAt(values, grid, 1.5, 2.5)).toEqual({ query: 5, key: 2 });
    expect(cellAt(values, grid, 3.5, 3.5)).toEqual({ query: 6, key: 6 });
  });

  it('is where the largest of a cell is, of a map that comes in fewer cells than tokens', () => {
    // 4 cells of 25 tokens each
    const values = new Float32Array(16);
    const places = new Uint32Array(16);
    values[at(4, 3, 1)] = 0.4;
    places[at(4, 3, 1)] = at(100, 88, 30);
    const grid = gridOf(100, 40, 1, 10, 4);
    expect(grid).toMatchObject({ blocks: 4, cells: 4, side: 40 });
    expect(cellAt(values, grid, 15, 35, places)).toEqual({ query: 88, key: 30 });
    expect(spanOf(grid, 88)).toEqual({ from: 30, size: 10 });
    expect([0, 24, 25, 99].map((token) => cellOf(grid, token))).toEqual([0, 0, 1, 3]);
    // drawn smaller than its cells
    const small = gridOf(100, 2, 1, 10, 4);
    expect([...blockLargest(values, small)].map((value) => Math.round(value * 10))).toEqual([0, 0, 4, 0]);
    expect(cellAt(values, small, 0.5, 1.5, places)).toEqual({ query: 88, key: 30 });
  });

  it('moves with the arrows and stays on or under the diagonal', () => {
    const cell = { query: 3, key: 3 };
    expect(stepCell(cell, 'ArrowRight', 5)).toEqual(cell);
    expect(stepCell(cell, 'ArrowUp', 5)).toEqual({ query: 2, key: 2 });
    expect(stepCell(cell, 'ArrowDown', 5)).toEqual({ query: 4, key: 3 });
    expect(stepCell({ query: 4, key: 0 }, 'ArrowDown', 5)).toEqual({ query: 4, key: 0 });
    expect(stepCell({ query: 4, key: 0 }, 'ArrowLeft', 5)).toEqual({ query: 4, key: 0 });
    expect(stepCell(cell, 'Home', 5)).toEqual({ query: 3, key: 0 });
    expect(stepCell({ query: 3, key: 1 }, 'End', 5)).toEqual(cell);
    expect(stepCell(cell, 'x', 5)).toBe(null);
  });
});
