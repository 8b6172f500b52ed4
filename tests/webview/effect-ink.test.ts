import { describe, expect, it } from 'vitest';
import { effectTable, figureAt } from '../../webview/src/effects/table';
import type { KnownEffects } from '../../webview/src/effects/known';
import { EffectBar, columnEffects } from '../../webview/src/graph/effectRow';
import { noteFor } from '../../webview/src/graph/effectTip';
import { columnX, computeLayout, frameOf, homeCamera, levelY } from '../../webview/src/graph/layout';
import { ffnReach } from '../../webview/src/graph/curves';
import { pick } from '../../webview/src/graph/picking';
import { effectInk } from '../../webview/src/groups/effectInk';
import { columnsOf, singleColumns } from '../../webview/src/groups/grouping';
import type { Columns } from '../../webview/src/groups/grouping';
import { shownGraph } from '../../webview/src/groups/shown';
import { sumAt } from '../../webview/src/groups/sums';
import { computeRoutes } from '../../webview/src/routes/routes';
import { inWords } from '../../webview/src/words/describe';
import { effectNumber, sumWords } from '../../webview/src/words/effect';
import { writtenEffects } from './knownEffects';
import { randomAnalysis, sourceOf, sourceOfAnalysis } from './sources';

const LAST = 3;

/** Of four tokens the last attends to all in layer 1; token 0 to itself in layer 0. */
function analysisOfFour() {
  const source = sourceOf([
    [{ attention: [[0, [0.5]]], residual: 0.5, ffn: 0.5, ffnResidual: 0.5 }, {}, {}, {}],
    [{}, {}, {}, { attention: [[0, [0.3]], [1, [0.2]], [2, [0.01]]], residual: 0.4 }], // prettier-ignore
  ]);
  const { meta } = randomAnalysis({ nLayers: 2, nTokens: 4 });
  return { meta, columns: source.columns, rowOffset: source.rowOffset };
}

const analysis = analysisOfFour();
const routes = computeRoutes(sourceOfAnalysis(analysis), { target: LAST, threshold: 0.05, renormalize: true });
/** Tokens 0 and 1 share a column. */
const grouped = columnsOf({ unit: 'word', first: Uint32Array.from([0, 2, 3, 4]) }, (group) => group !== 0);

function drawn(known: KnownEffects, columns: Columns = singleColumns(4)) {
  const shown = shownGraph(analysis, routes, 'flow', columns);
  const effects = effectInk(shown, effectTable(analysis, known));
  const line = (layer: number, key: number) => {
    const at = Array.from(shown.edges.layer.subarray(0, shown.edges.count)).findIndex(
      (each, i) => each === layer && shown.edges.key[i] === key,
    );
    return at < 0 ? undefined : sumAt(effects.edges, at);
  };
  const layout = computeLayout({ width: 700, height: 500 }, columns.nColumns, 2);
  const frame = frameOf(layout, homeCamera(layout, 0), columns.of);
  const at = (x: number, level: number): string | null => pick({ ...shown, effects }, frame, x, levelY(frame, level));
  return { shown, effects, line, frame, at };
}

const KNOWN = writtenEffects(LAST, {
  'I0_0>A1_3': [1.2, 2.5],
  'I0_1>A1_3': [-0.5],
  'I0_2>A1_3': [0.1, -1],
  'X0_1>A0_2': [2, 0.1],
  M0_0: [0.4, -0.2],
  M1_1: [0.4, 0.8],
});

describe('ink effect', () => {
  it('gives every drawn edge its effect, measured or predicted, and none where nothing is known', () => {
    const { line, effects } = drawn(KNOWN);
    expect(line(1, 0)).toEqual({ value: 2.5, measured: 1, predicted: 0 });
    expect(line(1, 1)).toEqual({ value: -0.5, measured: 0, predicted: 1 });
    expect(line(0, 0)).toBe(null);
    expect(effects.largestEdge).toBe(2.5);
  });

  it('draws a strong measured edge that no route keeps, and not a weak one', () => {
    const { effects, line } = drawn(KNOWN);
    expect(line(1, 2)).toBe(undefined);
    expect(effects.dashed.strongest.map(({ layer, query, key }) => [layer, query, key])).toEqual([[1, 3, 2]]);
    expect(sumAt(effects.dashed.sums, 0)).toEqual({ value: -1, measured: 1, predicted: 0 });
  });

  it('lets such an edge be picked', () => {
    const { at, frame } = drawn(KNOWN);
    const middle = (columnX(frame, 2) + columnX(frame, 3)) / 2;
    expect(at(middle, 0.25)).toBe('attention:I0_2>A1_3');
    const without = drawn(writtenEffects(LAST, {}));
    expect(without.at((columnX(without.frame, 2) + columnX(without.frame, 3)) / 2, 0.25)).toBe(null);
  });

  it('draws blocks on routes, and others that were measured', () => {
    const { effects, frame, at } = drawn(KNOWN);
    expect(sumAt(effects.ffn, 0)?.value).toBeCloseTo(-0.2, 6);
    expect(sumAt(effects.ffn, 4 + 1)?.value).toBeCloseTo(0.8, 6);
    expect(effects.largestFfn).toBeCloseTo(0.8, 6);
    expect(at(columnX(frame, 1) + ffnReach(frame.dx), 0.75)).toBe('M1_1');
  });

  it('picks the block with the largest effect of a group', () => {
    const { at, frame } = drawn(KNOWN, grouped);
    expect(at(columnX(frame, 0) + ffnReach(frame.dx), 0.75)).toBe('M1_1');
    expect(at(columnX(frame, 0) + ffnReach(frame.dx), -0.25)).toBe('M0_0');
  });

  it('sums the token edges of a line between groups, and tells how each is known', () => {
    const { line } = drawn(KNOWN, grouped);
    const sum = line(1, 0);
    expect(sum).toEqual({ value: 2, measured: 1, predicted: 1 });
    expect(sum && sumWords(sum)).toBe('sum of 1 measured, 1 predicted');
  });
});

describe('the row of token effects', () => {
  const known = writtenEffects(
    LAST,
    { X0_0: [-4, 9], X0_2: [-1], X0_3: [0.3, null] },
    { shares: Float32Array.from([-4, 0.5, -1, 0.3]), tokens: Float32Array.from([9, 9, 9, 9]) },
  );

  it('has what was measured, else a share, also where there is nothing to measure', () => {
    const { sums, largest } = columnEffects(effectTable(analysis, known), singleColumns(4));
    expect([0, 1, 2, 3].map((column) => sumAt(sums, column))).toEqual([
      { value: 9, measured: 1, predicted: 0 },
      { value: 0.5, measured: 0, predicted: 1 },
      { value: -1, measured: 0, predicted: 1 },
      { value: expect.closeTo(0.3) as number, measured: 0, predicted: 1 },
    ]);
    expect(largest).toBe(9);
  });

  it('sums shares for a group, unless it was measured as a set', () => {
    const ofGroup = (effects: KnownEffects) => sumAt(columnEffects(effectTable(analysis, effects), grouped).sums, 0);
    expect(ofGroup(known)).toEqual({ value: -3.5, measured: 0, predicted: 2 });
    const set = writtenEffects(LAST, { 'X0_0+X0_1': [-3.5, 7] });
    expect(ofGroup(set)).toEqual({ value: 7, measured: 1, predicted: 0 });
  });
});

describe('effects in words', () => {
  it.each([
    ['knock-out', 'no later token reads it'],
    ['mean', 'set to the mean over the prompt'],
  ])('say of a token what was done to it: %s', (how, done) => {
    const known = writtenEffects(LAST, { X0_1: [0.5, 2] });
    for (const unit of known.units.values()) unit.how = how;
    const columns = singleColumns(4);
    const effects = columnEffects(effectTable(analysis, known), columns);
    const bar = EffectBar({ effects, column: 1, columns, mass: 0.25, most: 20, top: 0, wide: true });
    const { title } = bar.props as { title: string };
    expect(title).toBe(`effect +2.00, measured: ${done}\npredicted +0.50, of its embedding\nmass 0.2500`);
  });

  it('belong to the description of an edge and of a block', () => {
    const words = (name: string) => inWords(analysis, routes, name, figureAt(KNOWN, name));
    expect(words('attention:I0_0>A1_3')).toContain(', effect +2.50, measured, contribution ');
    expect(words('attention:I0_1>A1_3')).toContain(', effect −0.50, predicted, contribution ');
    expect(words('M0_0')).toContain(', effect −0.20, measured, flow ');
    expect(words('residual:I0_3>A1_3')).not.toContain('effect');
  });

  it('are no effect where only a token’s share is known', () => {
    expect(noteFor({ value: 1, measured: false, share: true })).toContain('A share says how the number is made up');
    expect(noteFor({ value: 1, measured: false })).toContain('Predicted by the gradient');
  });

  it('have a sign and as many digits as they need', () => {
    expect([2.754, -0.05, 0.0042].map(effectNumber)).toEqual(['+2.75', '−0.05', '+0.004']);
    // what reads as zero is neither for nor against
    expect([0, -0, -0.0004, 0.0004].map(effectNumber)).toEqual(['0.00', '0.00', '0.00', '0.00']);
    expect(sumWords({ value: 1, measured: 0, predicted: 3 })).toBe('sum of 3 predictions');
    expect(sumWords({ value: 1, measured: 1, predicted: 0 })).toBe('measured');
  });
});
