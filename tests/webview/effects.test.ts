/** Names of units, what is known of them, and what is to be measured. */
import { effectWords } from '../../webview/src/words/effect';
import { describe, expect, it } from 'vitest';
import type { UnitEffect } from '../../extension/shared/protocol';
import { randomNumbers } from '../../webview/dev/numbers';
import { ArrayError } from '../../webview/src/analysis/arrays';
import {
  asResult,
  ffnFigure,
  fromPrediction,
  fromResult,
  listed,
  pairs,
  tokenFigure,
  tokenShare,
  withUnits,
} from '../../webview/src/effects/known';
import { notable, toMeasure, undrawn } from '../../webview/src/effects/plan';
import { edgeAt, edgePlace, edgeUnit, headUnit, placeOfUnit, unitOf } from '../../webview/src/effects/units';
import { predicted, unitOf as unitNamed } from './effectsHost';
import { writtenEffects } from './knownEffects';

const reply = predicted({ runId: 'r', position: 5 });
const measured = (unit: string, value: number): UnitEffect => ({ ...unitNamed(unit), how: 'zero', measured: value });

describe('names of units', () => {
  it.each([
    ['attention:I22_1>A23_13', 'I22_1>A23_13'],
    ['attention:I22_1>A23_13#4', 'I22_1>A23_13/4'],
    ['attention:X0_1>A0_13', 'X0_1>A0_13'],
    ['ffn:A22_3>M22_3', 'M22_3'],
    ['M22_3', 'M22_3'],
    ['X0_3', 'X0_3'],
    ['B22_3', 'B22_3'],
    ['I22_3', null],
    ['A22_3', null],
    ['nothing', null],
    ['', null],
  ])('stand for what is selected: %s', (selection, unit) => {
    expect(unitOf(selection)).toBe(unit);
  });

  it('of heads have a position, or mean all of them', () => {
    expect([headUnit(23, 0), headUnit(23, 0, 13), headUnit(2, 1, 0)]).toEqual(['23.0', '23.0@13', '2.1@0']);
  });

  it('of edges lead to their place and back, in long prompts too', () => {
    const random = randomNumbers(5);
    for (let n = 0; n < 200; n++) {
      const [layer, query] = [Math.floor(random() * 200), Math.floor(random() * 1e6)];
      const key = Math.floor(random() * (query + 1));
      expect(placeOfUnit(edgeUnit(layer, query, key))).toBe(edgePlace(layer, query, key));
      expect(edgeAt(edgePlace(layer, query, key))).toEqual({ layer, query, key });
    }
  });

  it.each(['I22_1>A23_13/0', '23.0@13', 'M22_3', 'X0_3', 'I1_1>A2_2+M2_2', ' I1_1>A2_2', 'I1_1>A2_-2'])(
    'of other units have no place: %s',
    (unit) => {
      expect(placeOfUnit(unit)).toBeNull();
    },
  );
});

describe('what is known', () => {
  const known = fromPrediction(reply);

  it('begins with every prediction', () => {
    expect(known.edges.size).toBe(reply.edgeLayer.shape[0]);
    for (const [place, { value, measured: isMeasured }] of known.edges) {
      const { layer, query, key } = edgeAt(place);
      expect(known.units.get(edgeUnit(layer, query, key))).toMatchObject({ kind: 'edge', how: '', predicted: value });
      expect(isMeasured).toBe(false);
    }
    expect(known.units.get('M1_5')).toEqual(unitNamed('M1_5'));
  });

  it('cannot come from arrays of other shapes than they claim', () => {
    const shape = [(reply.edgeKey.shape[0] ?? 0) + 1];
    expect(() => fromPrediction({ ...reply, edgeKey: { ...reply.edgeKey, shape } })).toThrow(ArrayError);
    expect(() => fromPrediction({ ...reply, edgeEffect: { ...reply.edgeEffect, shape: [1] } })).toThrow(ArrayError);
  });

  it('takes measurements in, and leaves what was known as it was', () => {
    const unit = edgeUnit(2, 5, 4);
    const more = withUnits(known, [measured(unit, -3), measured('M1_5', 2), measured(`${unit}/1`, 9)]);
    expect(more.edges.get(edgePlace(2, 5, 4))).toEqual({ value: -3, measured: true });
    expect(ffnFigure(more, 1, 5)).toEqual({ value: 2, measured: true });
    expect([...more.units.keys()].slice(0, known.units.size)).toEqual([...known.units.keys()]);
    expect(known.edges.get(edgePlace(2, 5, 4))?.measured).toBe(false);
    expect(ffnFigure(known, 1, 5)).toEqual({ value: 0.1, measured: false });
  });

  it('has blocks and tokens up to the position that m is read at, and none beyond', () => {
    const [ffn, tokens, shares] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6), Float32Array.of(7, 8)];
    const arrays = writtenEffects(1, { X0_1: [null, 9] }, { ffn, tokens, shares });
    expect([ffnFigure(arrays, 1, 0)?.value, ffnFigure(arrays, 1, 1)?.value]).toEqual([3, 4]);
    expect([ffnFigure(arrays, 0, 2), tokenFigure(arrays, 2)]).toEqual([null, null]);
    expect(tokenFigure(arrays, 0)).toEqual({ value: 7, measured: false, share: true });
    expect(effectWords({ value: 7, measured: false, share: true })).toBe('share +7.00, effect not measured');
    expect(tokenFigure(arrays, 1)).toEqual({ value: 9, measured: true });
    expect([tokenShare(arrays, 0), tokenShare(arrays, 2)]).toEqual([7, null]);
  });

  it('is listed by kind: measured first, then the largest', () => {
    const mixed = writtenEffects(5, { M0_1: [9], M0_2: [0.1, -2], M0_3: [0.2, 3], M0_4: [-8], X0_1: [99, 99] });
    expect(listed(mixed, 'ffn').map(({ unit }) => unit)).toEqual(['M0_3', 'M0_2', 'M0_1', 'M0_4']);
    expect(listed(mixed, 'head')).toEqual([]);
  });

  it('pairs predictions with measurements, of the edges predicted strongest', () => {
    const edges = writtenEffects(5, {
      ...{ 'I0_1>A1_5': [0.5, 4], 'I0_2>A1_5': [-2, 1], 'I0_3>A1_5': [1], 'I0_4>A1_5': [null, 7] },
      ...{ 'I0_0>A1_5': [0.7, 0], M0_1: [9, 9] },
    });
    expect(pairs(edges, 2)).toEqual({ predicted: [-2, 0.7], measured: [1, 0] });
    expect(pairs(edges, 9).predicted).toEqual([-2, 0.7, 0.5]);
  });

  it('is the same after it was kept, but for the predictions that no list has', () => {
    const more = withUnits(known, [measured(edgeUnit(2, 5, 4), -3)]);
    const kept = asResult(more, true);
    expect(kept).toMatchObject({ position: 5, complete: true, timing: { nMeasured: 1 }, notices: ['r'] });
    const back = fromResult(kept);
    expect([...back.units]).toEqual([...more.units]);
    expect([...back.edges]).toEqual([...more.edges]);
    expect([back.metric, back.heads, back.ffn]).toEqual([more.metric, null, null]);
    expect(asResult(back, true)).toEqual(kept);
  });
});

describe('what is to be measured', () => {
  const edge = (key: number, flow = 0.1, layer = 1) => ({ layer, query: 5, key, flow });
  const known = writtenEffects(5, {
    ...{ 'I0_0>A1_5': [0.2], 'I0_1>A1_5': [-3], 'I0_2>A1_5': [1], 'I0_3>A1_5': [0.5] },
    ...{ M1_5: [1], X0_2: [1], '1.0': [1], '1.0@5': [1] },
  });

  it('is what is drawn, the strongest prediction first, then what is not drawn, then blocks and tokens', () => {
    expect(toMeasure(known, [edge(0), edge(1), edge(3)], 60)).toEqual(
      ['I0_1>A1_5', 'I0_3>A1_5', 'I0_0>A1_5', 'I0_2>A1_5', 'M1_5', 'X0_2'], // prettier-ignore
    );
  });

  it('is bounded for drawn edges, and by flow where nothing is predicted', () => {
    const unknown = [edge(0, 0.1, 2), edge(1, 0.9, 2), edge(2, 0.5, 2)];
    expect(toMeasure(known, unknown, 2).slice(0, 2)).toEqual(['I1_1>A2_5', 'I1_2>A2_5']);
    const some = toMeasure(known, [edge(0), edge(1)], 1);
    expect(some[0]).toBe('I0_1>A1_5');
    expect(some).not.toContain('I0_0>A1_5');
  });

  it('is not what was measured, nor something weaker in its place', () => {
    const before = toMeasure(known, [edge(0), edge(1)], 1);
    const found = before.map((unit) => ({ ...measured(unit, 1), predicted: known.units.get(unit)?.predicted ?? null }));
    const after = withUnits(known, found);
    expect(toMeasure(after, [edge(0), edge(1)], 1)).toEqual([]);
  });

  it('shows what was left out of the drawing, where it is notable', () => {
    const found = withUnits(known, [measured('I0_0>A1_5', 4), measured('I0_1>A1_5', -20), measured('I0_2>A1_5', 3.9)]);
    const edges = notable(found);
    expect(edges.map(({ key, figure }) => [key, figure.value])).toEqual([[1, -20], [0, 4]]); // prettier-ignore
    expect(undrawn(edges, ({ key }) => key === 1).map(({ key }) => key)).toEqual([0]);
    expect(notable(known)).toEqual([]);
    // long dashed lines must not be the picture
    const many = Array.from({ length: 40 }, (_, key) => ({ layer: 1, query: 50, key, figure: { value: 1, measured: true } })); // prettier-ignore
    expect(undrawn(many, () => false)).toHaveLength(10);
  });
});
