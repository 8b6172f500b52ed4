/** The answer line's sentence: from flow before anything is measured, from measured effects after. */
import { describe, expect, it } from 'vitest';
import { sentenceOf } from '../../webview/src/answer/sentence';
import type { Facts } from '../../webview/src/answer/sentence';
import { textOf } from '../../webview/src/answer/parts';
import { covered } from '../../webview/src/answer/byEffect';
import { computeRoutes } from '../../webview/src/routes/routes';
import { exists } from '../../webview/src/words/describe';
import type { Analysis } from '../../webview/src/analysis/payload';
import type { ModelInfo } from '../../extension/shared/protocol';
import { writtenEffects, type Written } from './knownEffects';
import { randomAnalysis, sourceOf, type RowText } from './sources';

const TOKENS = ['When', ' Mary', ' and', ' John', ',', ' John', ' to'];
const LAST = TOKENS.length - 1;
const LAYERS = 3;

interface Told extends Partial<Omit<Facts, 'analysis' | 'routes' | 'effects'>> {
  tokens?: string[];
  /** Parts of the last token's rows, by layer. */
  reads?: Record<number, RowText>;
  threshold?: number;
  special?: boolean;
  template?: number[];
  task?: ModelInfo['task'];
  layerKinds?: Analysis['meta']['layerKinds'];
  units?: Written;
  metric?: object;
}

const MARY = { text: '·Mary', figure: '92%', probability: 0.92 };
const JOHN = { text: '·John', figure: '0.2%', probability: 0.002 };
/** From ·Mary in layer 2, mostly by head 1; from the second ·John in layers 1 and 2. */
const READS: Record<number, RowText> = {
  1: { attention: [[5, [0.05, 0.1]]], residual: 0.85 },
  2: { attention: [[1, [0.1, 0.4]], [5, [0.02, 0.08]]], residual: 0.4 },
}; // prettier-ignore

function facts(told: Told = {}): Facts {
  const { tokens = TOKENS, reads = READS, threshold = 0.01, special = false, task = 'token', units, ...more } = told;
  const last = tokens.length - 1;
  const rows = Array.from({ length: LAYERS }, (_, layer) =>
    tokens.map((_text, t): RowText => (t === last ? (reads[layer] ?? {}) : {})),
  );
  const source = sourceOf(rows);
  const base = randomAnalysis({ nLayers: LAYERS, nTokens: tokens.length, nHeads: 2, task });
  const analysis: Analysis = { ...base, columns: source.columns, rowOffset: source.rowOffset };
  analysis.meta.tokens = tokens.map((text, t) => ({
    ...{ id: t, text, start: 0, end: 0, shared: false, special: special && t === 0 },
    template: told.template?.includes(t) ?? false,
  })) as Analysis['meta']['tokens'];
  analysis.meta.layerKinds = told.layerKinds ?? [];
  const routes = computeRoutes(source, { target: told.position ?? last, threshold, renormalize: true });
  const effects = units ? writtenEffects(told.position ?? last, units) : null;
  if (effects && told.metric) Object.assign(effects.metric, told.metric);
  return { position: last, target: MARY, contrast: null, best: null, hasBlocks: true, ...more, analysis, routes, effects }; // prettier-ignore
}

const said = (told: Told = {}): string => textOf(sentenceOf(facts(told)).parts);
const alone = { metric: { contrast: null } };

describe('by flow', () => {
  it('names the tokens that are read, the first with its layer and heads', () => {
    expect(said()).toBe('·Mary 92%, flow mostly from ·Mary through L2 H1, H0; then ·John₂.');
  });

  it('says no cause and gives no number but the probability', () => {
    for (const told of [{}, { contrast: JOHN }, { special: true }] as Told[])
      expect(said(told)).not.toMatch(/because|against it|supports|[+−]\d/);
  });

  it('names the contrast without saying why', () => {
    expect(said({ contrast: JOHN })).toBe(
      '·Mary 92% rather than ·John 0.2%, flow mostly from ·Mary through L2 H1, H0; then ·John₂.',
    );
  });

  it('calls nothing the most where two tokens carry about the same, and no edge the way where several are', () => {
    const reads: Record<number, RowText> = {
      0: { attention: [[5, [0, 0.2]]], residual: 0.8 },
      1: { attention: [[5, [0, 0.2]]], residual: 0.8 },
      2: { attention: [[1, [0.3, 0]], [5, [0, 0.15]]], residual: 0.55 },
    }; // prettier-ignore
    expect(said({ reads })).toBe('·Mary 92%, flow from ·John₂ through L2, L1, L0 and ·Mary.');
  });

  it('puts the token where heads rest last, and says what it is', () => {
    const reads = { 2: { attention: [[0, [0.5, 0]], [1, [0, 0.1]]] as RowText['attention'], residual: 0.4 } }; // prettier-ignore
    expect(said({ reads: reads as Record<number, RowText>, special: true, tokens: ['<s>', ...TOKENS.slice(1)] })).toBe(
      '·Mary 92%, flow from ·Mary through L2 H1 and BOS (where heads rest).',
    );
    // of a prompt without one, the first token may be what counts
    expect(said({ reads: reads as Record<number, RowText> })).toBe(
      '·Mary 92%, flow mostly from When (the first token) through L2 H0; then ·Mary.',
    );
  });

  it.each<[string, Told]>([
    ['no token comes before it', { tokens: [' to'], reads: {} }],
    ['no attention edge into it is above the threshold 0.600', { threshold: 0.6 }],
    [
      'this model mixes tokens without attention, so no route names what was read',
      { reads: {}, layerKinds: ['mixer', 'mixer', 'mixer'] },
    ],
  ])('says why nothing is named: %s', (why, told) => {
    expect(said(told)).toBe(`·Mary 92%; ${why}.`);
  });

  it('says where another target stands, and puts punctuation in quotes', () => {
    const tokens = [...TOKENS];
    tokens[1] = ',';
    const target = { text: '.', figure: '32%', probability: 0.32 };
    expect(said({ tokens, target, position: 5, reads: {} })).toMatch(/^After ·John₂: “\.” 32%; no attention edge/);
    expect(said({ tokens })).toContain('mostly from “,” through');
  });

  it.each([
    ['label', 'Label POSITIVE 99%, flow'],
    ['labels', 'Label POSITIVE 99%, flow'],
    ['value', 'Value 99%, flow'],
  ] as const)('of a classifier: %s', (task, begins) => {
    const target = { text: 'POSITIVE', figure: '99%', probability: 0.99 };
    expect(said({ task, target }).startsWith(begins)).toBe(true);
    if (task === 'label') expect(said({ task, target, position: 3, reads: {} })).toMatch(/^If the text ended at ·John₁: label POSITIVE/); // prettier-ignore
  });

  it('cuts a token as long as a line', () => {
    const target = { text: 'x'.repeat(400), figure: '9%', probability: 0.09 };
    expect(said({ target }).length).toBeLessThan(120);
  });
});

describe('by measured effects', () => {
  const units: Written = {
    'I1_1>A2_6': [1.3, 2.75],
    'I1_5>A2_6': [0.3, 0.9],
    'I0_5>A1_6': [0.2, 0.4],
    'I0_3>A1_6': [0.2, -0.7],
    // not read by the position, or of another kind
    'X0_0>A0_1': [1.3, 3.4],
    'I1_6>A2_6': [1, 5],
    '2.1@6': [3, 4],
    X0_1: [5, 9],
  };

  it('gives each its signed number, and what is against it', () => {
    expect(said({ units, ...alone })).toBe(
      '·Mary 92%, mostly because of ·Mary read in layer 2 by H1, H0 +2.75; then ·John₂ in layer 2 +0.90; against it ·John₁ in layer 1 −0.70.',
    );
    expect(said({ units, contrast: JOHN })).toMatch(/^·Mary 92% rather than ·John 0.2%, mostly because of ·Mary read/);
  });

  it('adds the block without which the number would change most, once blocks are measured; not the first layer’s', () => {
    const more: Written = { ...units, M0_6: [1, 9.5], M1_6: [1, -0.2], M2_6: [1, 1.2], M2_3: [2, 4], M1_5: [1, null] };
    const block = '; without the feed-forward block of layer 2 its logit would be 1.2 lower.';
    expect(said({ units: more, ...alone }).endsWith(block)).toBe(true);
    expect(said({ units: more }).endsWith('the difference would be 1.2 lower.')).toBe(true);
    expect(said({ units: more, metric: { contrast: null, kind: 'logprob' } })).toContain(
      'its log-probability would be',
    );
    expect(said({ units: more, hasBlocks: false })).not.toContain('feed-forward');
    expect(said({ units: { ...units, M2_6: [1, -1.2] }, ...alone })).toContain('its logit would be 1.2 higher');
  });

  it('sums nothing: every number is that of a unit', () => {
    const numbers = said({ units }).match(/[+−]\d+\.\d+/g) ?? [];
    const own = Object.values(units).map(([, measured]) => (measured ?? 0).toFixed(2).replace('-', '−'));
    for (const number of numbers) expect(own).toContain(number.replace('+', ''));
    expect(said({ units })).not.toMatch(/together|sum|total/);
  });

  it('calls nothing the most where the next is nearly as large', () => {
    expect(said({ units: { 'I1_1>A2_6': [1, 2.75], 'I1_5>A2_6': [1, 2.25] } })).toBe(
      '·Mary 92%, because of ·Mary read in layer 2 by H1, H0 +2.75 and ·John₂ in layer 2 +2.25.',
    );
  });

  it('claims no reason for a target that the model does not say', () => {
    const behind: Told = { target: JOHN, best: MARY, units: { 'I1_1>A2_6': [1, -2], 'I1_5>A2_6': [1, 0.6] }, ...alone };
    expect(said(behind)).toBe(
      '·John 0.2% (most probable: ·Mary 92%); for it mostly ·John₂ read in layer 2 by H1, H0 +0.60; against it ·Mary in layer 2 −2.00.',
    );
    expect(said({ ...behind, best: null, contrast: MARY })).toMatch(/^·John 0.2% against ·Mary 92%; for it/);
  });

  it('says it where all that was read is against it, and where nothing matters', () => {
    expect(said({ units: { 'I1_1>A2_6': [1, -2] } })).toBe(
      '·Mary 92%; nothing measured that it read supports it; against it ·Mary read in layer 2 by H1, H0 −2.00.',
    );
    expect(said({ units: { 'I1_1>A2_6': [1, 0.03], 'I1_5>A2_6': [1, -0.01] }, ...alone })).toBe(
      '·Mary 92%; nothing that it read changes its logit by 0.05 when it is taken out.',
    );
  });

  it('measures a value against itself', () => {
    const told: Told = { task: 'value', target: { text: 'x', figure: '+0.83', probability: null }, metric: { contrast: null, value: 0.83 } }; // prettier-ignore
    expect(said({ ...told, units: { 'I1_1>A2_6': [0, 0.03] } })).toContain('Value +0.83, mostly because of ·Mary');
    expect(said({ ...told, units: { 'I1_1>A2_6': [0, 0.003] } })).toContain('changes the value by 0.008');
  });

  it('names tokens where the model has no edges to measure', () => {
    const layerKinds: Told['layerKinds'] = ['mixer', 'mixer', 'mixer'];
    expect(said({ reads: {}, layerKinds, units: { X0_1: [1, 4], X0_3: [1, -0.8], X0_6: [1, null] } })).toBe(
      '·Mary 92%, mostly because of the token ·Mary +4.00; against it the token ·John₁ −0.80.',
    );
  });

  it('has the block alone where there is one token, and flow where nothing is measured', () => {
    expect(said({ tokens: [' to'], reads: {}, units: { M2_0: [1, 1.2] }, ...alone })).toBe(
      '·Mary 92%; no token comes before it; without the feed-forward block of layer 2 its logit would be 1.2 lower.',
    );
    expect(said({ units: { 'I1_1>A2_6': [1.3] } })).toContain('flow mostly from');
    expect(sentenceOf(facts({ units: { 'I1_1>A2_6': [1.3] } })).measured).toBe(false);
  });

  it('leads to what it names', () => {
    const { analysis, ...rest } = facts({ units: { ...units, M2_6: [1, 1.2] }, contrast: JOHN });
    const { parts } = sentenceOf({ analysis, ...rest });
    const led = Object.fromEntries(parts.flatMap(({ text, select }) => (select === undefined ? [] : [[text, select]])));
    expect(led).toMatchObject({
      '·Mary': 'X0_1',
      '·John': null,
      'layer 2': 'attention:I1_5>A2_6',
      H1: 'attention:I1_1>A2_6#1',
      '+2.75': 'attention:I1_1>A2_6',
      '·John₂': 'X0_5',
      'feed-forward block of layer 2': 'M2_6',
    });
    for (const select of Object.values(led)) if (select !== null) expect(exists(analysis, select)).toBe(true);
    // every name and number is a part of its own
    for (const { text, select } of parts) if (select === undefined) expect(text).not.toMatch(/\d|·/);
  });

  it('knows how much of what is drawn is measured', () => {
    const part = (some: Written): number => {
      const { analysis, routes, effects } = facts({ units: some });
      return effects ? covered(analysis, routes, effects) : NaN;
    };
    expect(part({ 'I1_1>A2_6': [1, 2] })).toBeGreaterThan(0.5);
    expect(part({ 'I0_5>A1_6': [1, 2] })).toBeLessThan(0.5);
    expect(part({ 'I1_1>A2_6': [1, 2], 'I1_5>A2_6': [1, 2], 'I0_5>A1_6': [1, 0] })).toBe(1);
    expect(LAST).toBe(6);
  });
});
