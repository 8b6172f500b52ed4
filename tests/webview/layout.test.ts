import { describe, expect, it } from 'vitest';
import {
  clampCamera,
  columnAt,
  columnX,
  computeLayout,
  frameOf,
  homeCamera,
  levelY,
  panCamera,
  revealed,
  wholeCamera,
  zoomCamera,
} from '../../webview/src/graph/layout';
import { labelledLayers } from '../../webview/src/graph/labels';

const size = { width: 900, height: 700 };
const inside = (value: number, from: number, to: number): boolean => value >= from - 1e-6 && value <= to + 1e-6;

describe('the layout', () => {
  it.each([
    [15, 30, 900, 700],
    [40, 30, 900, 700],
    [4, 80, 900, 700],
    [1, 1, 900, 700],
    [15, 30, 600, 420],
  ])('shows all of %i tokens by %i layers on %i by %i', (nTokens, nLayers, width, height) => {
    const layout = computeLayout({ width, height }, nTokens, nLayers);
    const frame = frameOf(layout, homeCamera(layout, nTokens - 1));
    const { plot } = layout;
    for (const t of [0, nTokens - 1]) expect(inside(columnX(frame, t), plot.x, plot.x + plot.width)).toBe(true);
    for (const level of [-1, nLayers - 1])
      expect(inside(levelY(frame, level), plot.y, plot.y + plot.height)).toBe(true);
    expect(plot.y + plot.height + layout.chipsHeight + layout.massHeight).toBeLessThanOrEqual(height + 1e-6);
  });

  it('keeps 200 columns wide enough to tell apart, and starts at the target', () => {
    const layout = computeLayout(size, 200, 30);
    expect(layout.columnWidth).toBeGreaterThanOrEqual(15);
    const frame = frameOf(layout, homeCamera(layout, 199));
    expect(columnX(frame, 199)).toBeLessThan(layout.plot.x + layout.plot.width);
    expect(columnX(frame, 0)).toBeLessThan(0);
  });

  it('shows 200 columns at once when asked to', () => {
    const layout = computeLayout(size, 200, 30);
    const frame = frameOf(layout, wholeCamera(layout));
    for (const t of [0, 199])
      expect(inside(columnX(frame, t), layout.plot.x, layout.plot.x + layout.plot.width)).toBe(true);
  });

  it('centres few columns', () => {
    const layout = computeLayout(size, 4, 30);
    const frame = frameOf(layout, homeCamera(layout, 3));
    const middle = layout.plot.x + layout.plot.width / 2;
    expect((columnX(frame, 0) + columnX(frame, 3)) / 2).toBeCloseTo(middle, 6);
  });
});

describe('the camera', () => {
  const layout = computeLayout(size, 15, 30);

  it('zooms around the pointer', () => {
    const home = homeCamera(layout, 14);
    const before = frameOf(layout, home);
    const x = columnX(before, 7);
    const y = levelY(before, 15);
    const after = frameOf(layout, zoomCamera(layout, home, 3, x, y));
    expect(after.dx).toBeCloseTo(before.dx * 3, 6);
    expect(columnX(after, 7)).toBeCloseTo(x, 6);
    expect(levelY(after, 15)).toBeCloseTo(y, 6);
  });

  it('does not leave the graph', () => {
    const home = homeCamera(layout, 14);
    expect(panCamera(layout, home, 500, 500)).toEqual(home);
    const near = zoomCamera(layout, home, 4, 400, 300);
    const far = panCamera(layout, near, -1e6, 1e6);
    const frame = frameOf(layout, far);
    expect(columnX(frame, 0)).toBeGreaterThan(layout.plot.x);
    expect(levelY(frame, -1)).toBeLessThan(layout.plot.y + layout.plot.height);
    expect(clampCamera(layout, { ...home, scaleX: 0, scaleY: 0 })).toEqual(home);
  });

  it('scrolls no further than a node needs', () => {
    const wide = computeLayout(size, 200, 30);
    const home = homeCamera(wide, 199);
    expect(revealed(wide, home, 199, 29)).toBe(home);
    const frame = frameOf(wide, revealed(wide, home, 3, 0));
    expect(inside(columnX(frame, 3), wide.plot.x, wide.plot.x + wide.plot.width)).toBe(true);
  });

  it('finds the column under a point', () => {
    const frame = frameOf(layout, homeCamera(layout, 14));
    for (const t of [0, 6, 14]) expect(columnAt(frame, 15, columnX(frame, t) + frame.dx * 0.4)).toBe(t);
    expect(columnAt(frame, 15, frame.plot.x - frame.dx)).toBe(-1);
  });
});

describe('layer labels', () => {
  it('name every fifth layer and the last', () => {
    expect(labelledLayers(30, 18)).toEqual([0, 5, 10, 15, 20, 25, 29]);
    expect(labelledLayers(12, 40)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(labelledLayers(1, 80)).toEqual([0]);
  });

  it('do not run into each other', () => {
    for (const nLayers of [26, 27, 31, 32, 80, 126]) {
      const height = 560 / nLayers;
      const layers = labelledLayers(nLayers, height);
      expect(layers[layers.length - 1]).toBe(nLayers - 1);
      layers.slice(1).forEach((layer, i) => expect((layer - (layers[i] ?? 0)) * height).toBeGreaterThanOrEqual(13));
    }
  });
});
