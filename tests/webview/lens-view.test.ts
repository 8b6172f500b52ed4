// @vitest-environment happy-dom
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { LensGridResult } from '../../extension/shared/protocol';
import { computeLayout, frameOf, homeCamera, levelY } from '../../webview/src/graph/layout';
import { chartX, chartY, linePath, rankHeight, rankTicks, rowAt } from '../../webview/src/views/chart';
import { cellName, cellStrength, cellsOf, lensCells } from '../../webview/src/views/lensCells';
import type { LensCells } from '../../webview/src/views/lensCells';
import { strongestCells } from '../../webview/src/views/lensStrongest';
import { rowSpans } from '../../webview/src/views/lensRows';
import { figuresAt } from '../../webview/src/views/lensReadout';
import { contrastOf, parseColour } from '../../webview/src/graph/contrast';
import { inkOn } from '../../webview/src/views/lensPaint';
import { PROBABILITY_STEPS, cellOpacity, probabilityStrength, rankStrength } from '../../webview/src/views/scale';
import { packedNumbers } from '../../webview/dev/views';

/** One layer, two tokens: rows are the embedding and layer 0. */
function grid(followed: boolean): LensGridResult {
  const shape = [2, 2];
  return {
    firstRow: 0,
    texts: { 5: ' a', 9: ' Mary' },
    top: packedNumbers(Uint32Array.from([5, 5, 5, 9]), shape),
    topProbability: packedNumbers(Float32Array.from([0.1, 0.2, 0.3, 0.8]), shape),
    topLogit: packedNumbers(Float32Array.from([1, 2, 3, 8]), shape),
    token: followed ? 7 : null,
    tokenProbability: followed ? packedNumbers(Float32Array.from([0, 0.01, 0.1, 0.64]), shape) : null,
    tokenRank: followed ? packedNumbers(Uint32Array.from([20000, 999, 9, 0]), shape) : null,
    lens: 'logit',
    notes: [],
  };
}

function cellsFrom(results: LensGridResult[], nTokens = 2): LensCells {
  const cells = lensCells(results, 1, nTokens);
  if (!cells) throw new Error('there are no cells');
  return cells;
}

describe('the lens grid', () => {
  const cells = cellsFrom([grid(true)]);

  it('reads a cell: its top token, and the rank of the followed token', () => {
    expect(figuresAt(cells, { letter: 'I', layer: 0, position: 1 })).toEqual({
      top: ' Mary',
      topProbability: expect.closeTo(0.8, 5) as number,
      topLogit: 8,
      followed: { probability: expect.closeTo(0.64, 5) as number, rank: 0 },
    });
    expect(figuresAt(cells, { letter: 'X', layer: 0, position: 1 })?.top).toBe(' a');
  });

  it('colours by the top token, by probability or by rank of the followed token', () => {
    expect(cellStrength(cells, 3, 'probability')).toBeCloseTo(probabilityStrength(0.64), 5);
    expect(cellStrength(cells, 3, 'rank')).toBe(1);
    expect(cellStrength(cells, 2, 'rank')).toBeCloseTo(0.75, 5);
    expect(cellStrength(cells, 0, 'rank')).toBe(0);
    expect(cellStrength(cells, 3, 'top')).toBeCloseTo(probabilityStrength(0.8), 5);
    expect(cellStrength(cellsFrom([grid(false)]), 3, 'rank')).toBeCloseTo(probabilityStrength(0.8), 5);
  });

  it('is read from as many stretches of rows as are there, the last row first', () => {
    const stretch = (firstRow: number, texts: Record<number, string>, top: number[], each: number): LensGridResult => {
      const floats = packedNumbers(Float32Array.from([each, each / 2]), [1, 2]);
      const rank = packedNumbers(Uint32Array.from([each * 100, 3]), [1, 2]);
      const own = packedNumbers(Uint32Array.from(top), [1, 2]);
      const said = { token: 7, lens: 'logit', notes: [] };
      return { firstRow, texts, top: own, topProbability: floats, topLogit: floats, tokenProbability: floats, tokenRank: rank, ...said }; // prettier-ignore
    };
    const last = stretch(1, { 3: ' Mary', 4: ' her' }, [3, 4], 0.5);
    const half = cellsFrom([last]);
    expect(half.firstRow).toBe(1);
    expect(figuresAt(half, { letter: 'I', layer: 0, position: 1 })?.top).toBe(' her');
    expect(figuresAt(half, { letter: 'X', layer: 0, position: 1 })).toBeNull();
    const whole = cellsFrom([last, stretch(0, { 2: ' a', 3: ' Mary' }, [3, 2], 0.25)]);
    expect(whole.firstRow).toBe(0);
    expect(figuresAt(whole, { letter: 'X', layer: 0, position: 0 })).toEqual({
      top: ' Mary', topProbability: 0.25, topLogit: 0.25, followed: { probability: 0.25, rank: 25 },
    }); // prettier-ignore
    expect(figuresAt(whole, { letter: 'I', layer: 0, position: 0 })?.top).toBe(' Mary');
  });

  it('is asked for in stretches: all at once where it is small, row by row where it is large', () => {
    expect(rowSpans(31, 4)).toEqual([{ firstRow: 0, rowCount: 31 }]);
    expect(rowSpans(31, 15)).toEqual([[23, 8], [15, 8], [7, 8], [0, 7]].map(([firstRow, rowCount]) => ({ firstRow, rowCount }))); // prettier-ignore
    expect(rowSpans(3, 2000).map(({ firstRow, rowCount }) => [firstRow, rowCount])).toEqual([[2, 1], [1, 1], [0, 1]]); // prettier-ignore
  });

  it('finds where a word is strongest: the best row of each position, the best position first', () => {
    expect(strongestCells(cells, 7)).toEqual([
      { name: 'I0_1', rank: 0 },
      { name: 'I0_0', rank: 9 },
    ]);
    expect(strongestCells(cells, 8)).toEqual([]);
    expect(strongestCells({ ...cells, firstRow: 1 }, 7)).toEqual([]);
  });

  it('refuses the grid of another prompt', () => {
    expect(() => cellsFrom([grid(true)], 3)).toThrow(/shape/);
  });

  it('names cells as the graph does, and finds the cells of a selection', () => {
    expect(cellName(0, 4)).toBe('X0_4');
    expect(cellName(23, 14)).toBe('I22_14');
    expect(cellsOf('M12_5#831').map((node) => node.letter + String(node.layer))).toEqual(['I12']);
    expect(cellsOf('attention:I22_2>A23_14#4')).toEqual([
      { letter: 'I', layer: 22, position: 2 },
      { letter: 'I', layer: 23, position: 14 },
    ]);
    expect(cellsOf('model')).toEqual([]);
  });

  it.each([
    [15, 30, 520, 470],
    [40, 30, 900, 500],
    [3, 2, 600, 500],
  ])(
    'shows whole cells from the embedding to the last layer: %i tokens, %i layers',
    (nTokens, nLayers, width, height) => {
      const layout = computeLayout({ width, height }, nTokens, nLayers, { cells: true });
      const frame = frameOf(layout, homeCamera(layout, nTokens - 1));
      const { plot } = layout;
      expect(levelY(frame, nLayers - 0.5)).toBeCloseTo(plot.y, 6);
      expect(levelY(frame, -1.5)).toBeCloseTo(plot.y + plot.height, 6);
      expect(plot.y + plot.height + layout.chipsHeight + layout.massHeight).toBeLessThanOrEqual(height + 1e-6);
    },
  );
});

describe('the scale', () => {
  it('grows with probability, falls with rank, and stays under what text can be read on', () => {
    expect([1, 0.1, 0.01, 0.001, 1e-4, 0].map((p) => Math.round(100 * probabilityStrength(p)))).toEqual([
      100, 75, 50, 25, 0, 0,
    ]);
    expect(PROBABILITY_STEPS.map(({ label }) => label)).toEqual(['≤0.01%', '0.1%', '1%', '10%', '100%']);
    expect([1, 10, 100, 1000].map((rank) => Math.round(100 * rankStrength(rank - 1)))).toEqual([100, 75, 50, 25]);
    expect(rankStrength(1e6)).toBe(0);
    expect(cellOpacity(1, false)).toBeLessThan(0.7);
    expect(cellOpacity(0, true)).toBe(0);
  });
});

describe.each(['dark', 'light', 'highContrast', 'highContrastLight'])('text over the cells in %s', (theme) => {
  const { variables, bodyClass } = JSON.parse(readFileSync(`tests/vectors/panel/theme-${theme}.json`, 'utf8')) as {
    variables: Record<string, string>;
    bodyClass: string;
  };
  const colour = (name: string) => {
    const found = parseColour(variables[`--vscode-${name}`] ?? '');
    if (!found) throw new Error(`${name} is no colour`);
    return found;
  };
  const foreground = variables['--vscode-foreground'] ?? '';
  const contrast = bodyClass.includes('high-contrast');
  const palette = {
    light: /light/.test(bodyClass),
    foreground,
    dim: contrast ? foreground : (variables['--vscode-descriptionForeground'] ?? ''),
  };

  // 0.06: the grid of heads has cells a little stronger
  it.each([0, 0.06])('is read on each of them', (more) => {
    const [ground, blue] = [colour('editor-background').rgb, colour('charts-blue').rgb];
    for (let strength = 0; strength <= 1; strength += 0.05) {
      const alpha = more + cellOpacity(strength, contrast);
      const cell = blue.map((part, i) => alpha * part + (1 - alpha) * (ground[i] ?? 0));
      const ink = parseColour(inkOn(strength, palette))?.rgb ?? [0, 0, 0];
      expect(contrastOf(ink, cell as never), `${strength}`).toBeGreaterThanOrEqual(4.5);
    }
  });
});

describe('the charts over the layers', () => {
  const plot = { width: 200, height: 100, left: 30, right: 10, top: 10, bottom: 20 };

  it('finds the row under the pointer', () => {
    for (const row of [0, 7, 30]) expect(rowAt(plot, chartX(plot, row, 31), 31)).toBe(row);
    expect(rowAt(plot, -50, 31)).toBe(0);
    expect(rowAt(plot, 900, 31)).toBe(30);
  });

  it('draws the first rank on top and each power of ten one step down', () => {
    expect(rankHeight(0, 9999)).toBe(1);
    expect(rankHeight(9, 9999)).toBeCloseTo(0.75, 9);
    expect(rankHeight(9999, 9999)).toBeCloseTo(0, 9);
    expect(rankTicks(9999)).toEqual([1, 100, 10000]);
    expect(rankTicks(5)).toEqual([1, 10]);
    expect(chartY(plot, 1)).toBe(10);
    expect(linePath(plot, [0, 1])).toBe('M30.0 80.0L190.0 10.0');
  });
});
