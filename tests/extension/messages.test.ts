import { describe, expect, it } from 'vitest';
import { INSPECTIONS } from '../../extension/shared/protocol';
import { readMessage, readView } from '../../extension/src/panel/messages';
import { EFFECTS } from './analyses_world';

const VIEW = {
  runId: 'r',
  target: 3,
  threshold: 'auto',
  renormalize: true,
  ink: 'flow',
  selection: 'I3_5',
  view: 'heads',
  lens: 'jacobian',
  heat: true,
  grouping: 'sentence',
  opened: [0, 40],
  metric: null,
  layout: { place: 'below', share: 0.4, maximized: 'graph' },
};
const QUESTION = { method: 'lmTransparency/nodeTokens', params: { runId: 'r', node: 'A3_5', normalize: true } };
const SAVE = { type: 'save', name: 'ioi.svg', content: '<svg/>', encoding: 'utf8' };

const [UNIT] = EFFECTS.units;
const FOUND = { type: 'effects', runId: 'r', effects: EFFECTS };
const withUnit = (change: object) => ({ ...FOUND, effects: { ...EFFECTS, units: [{ ...UNIT, ...change }] } });
const withEffects = (change: object) => ({ ...FOUND, effects: { ...EFFECTS, ...change } });

const withParams = (params: unknown) => ({ type: 'ask', id: 1, question: { ...QUESTION, params } });
const withParam = (name: string, value: unknown) => withParams({ runId: 'r', [name]: value });

describe('messages of the webview', () => {
  it.each([
    { type: 'ready' },
    { type: 'ask', id: 1, question: QUESTION },
    withParams({ runId: 'r' }),
    withParams({ runId: 'r', position: 3, tokens: Array.from({ length: 256 }, (_, index) => index) }),
    withParams({ runId: 'r', threshold: 0.02, head: -1 }),
    ...INSPECTIONS.map((method) => ({ type: 'ask', id: 1, question: { ...QUESTION, method } })),
    { type: 'giveUp', id: 4 },
    { type: 'remember', view: VIEW },
    { type: 'remember', view: { ...VIEW, threshold: 0.04, ink: 'local', selection: null } },
    { type: 'action', action: 'setUpBackend' },
    { type: 'selected', position: 0 },
    { type: 'selected', position: null },
    { type: 'action', action: 'choosePrompt' },
    { type: 'heat', masses: [0, 0.25, 0.75] },
    { type: 'heat', masses: null },
    FOUND,
    withEffects({ units: [], faithfulness: null, metric: { ...EFFECTS.metric, contrast: { id: 1, text: ' Rome' } } }),
    withParam('effects', EFFECTS),
    { type: 'copy', text: 'a\tb' },
    SAVE,
    { ...SAVE, name: 'Map of ·to.PNG', content: 'iVBORw==', encoding: 'base64' },
    { type: 'savePage' },
    { type: 'openDocs', address: 'inspectors#heads' },
    { type: 'openDocs', address: 'routes' },
  ])('that fit: %j', (message) => {
    expect(readMessage(message)).toEqual(message);
  });

  it.each([
    [null],
    ['ready'],
    [[]],
    [{}],
    [{ type: 'constructor' }],
    [{ type: 'ask', id: -1, question: QUESTION }],
    [{ type: 'ask', id: '1', question: QUESTION }],
    [{ type: 'ask', id: 1 }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, method: 'lmTransparency/loadModel' } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, method: 'shutdown' } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, method: ['lmTransparency/nodeTokens'] } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, method: '__proto__' } }],
    [{ type: 'ask', id: 1, question: { method: 'lmTransparency/nodeTokens' } }],
    [withParams({})],
    [withParams([])],
    [withParams('r')],
    [withParams(new Date(0))],
    [withParams({ runId: 'r'.repeat(201) })],
    [withParams({ runId: 1 })],
    [withParams(JSON.parse('{"runId": "r", "__proto__": {"polluted": 1}}'))],
    [withParams(JSON.parse('{"runId": "r", "constructor": 1}'))],
    [withParams(JSON.parse('{"runId": "r", "toString": 1}'))],
    [withParams(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`p${'x'.repeat(n)}`, n])))],
    [withParam('node', 'x'.repeat(1e6))],
    [withParam('layer', Number.NaN)],
    [withParam('layer', Number.POSITIVE_INFINITY)],
    [withParam('layer', () => 1)],
    [withParam('nested', { a: 1 })],
    [withParam('tokens', [1, [2]])],
    [withParam('tokens', [1, '1'])],
    [withParam('texts', ['x'.repeat(201)])],
    [withParam('tokens', [1, Number.NaN])],
    [withParam('tokens', new Array(3))],
    [
      withParam(
        'tokens',
        Array.from({ length: 257 }, () => 1),
      ),
    ],
    [withParam('run id', 1)],
    [{ type: 'giveUp', id: '1' }],
    [{ type: 'heat', masses: [0.1, Number.NaN] }],
    [{ type: 'heat', masses: [-1] }],
    [{ type: 'heat', masses: new Array(4) }],
    [{ type: 'heat', masses: { 0: 1, length: 1 } }],
    [{ type: 'heat', masses: new Float32Array(2) }],
    [{ ...FOUND, runId: 'r'.repeat(201) }],
    [{ ...FOUND, runId: null }],
    [{ ...FOUND, effects: null }],
    [{ ...FOUND, effects: [EFFECTS] }],
    [{ ...FOUND, effects: Object.create(EFFECTS) as unknown }],
    ...Object.keys(EFFECTS).map((name): [unknown] => [withEffects({ [name]: undefined })]),
    ...Object.keys(UNIT ?? {}).map((name): [unknown] => [withUnit({ [name]: undefined })]),
    [withEffects({ position: 1.5 })],
    [withEffects({ metric: { ...EFFECTS.metric, kind: 'toString' } })],
    [withEffects({ metric: { ...EFFECTS.metric, value: Number.NaN } })],
    [withEffects({ metric: { ...EFFECTS.metric, target: null } })],
    [withEffects({ metric: { ...EFFECTS.metric, contrast: { id: -1, text: '' } } })],
    [withEffects({ units: Array.from({ length: 5001 }, () => UNIT) })],
    [withEffects({ units: new Array(3) })],
    [withEffects({ units: { length: 0 } })],
    [withEffects({ faithfulness: { ...EFFECTS.faithfulness, rho: Number.POSITIVE_INFINITY } })],
    [withEffects({ proof: { shareError: '0' } })],
    [withEffects({ timing: { ...EFFECTS.timing, nMeasured: -1 } })],
    [withEffects({ notices: ['x'.repeat(3000)] })],
    [withEffects({ notices: Array.from({ length: 65 }, () => '') })],
    [withEffects({ complete: 1 })],
    [withUnit({ unit: 'x'.repeat(201) })],
    [withUnit({ kind: '__proto__' })],
    [withUnit({ text: 'x'.repeat(2001) })],
    [withUnit({ how: {} })],
    [withUnit({ measured: Number.NaN })],
    [withUnit({ kl: '0.2' })],
    [withParam('effects', { ...EFFECTS, units: null })],
    [withParam('other', EFFECTS)],
    [{ type: 'copy', text: 1 }],
    [{ type: 'copy', text: 'x'.repeat(20_000_001) }],
    [{ ...SAVE, name: 'x.exe' }],
    [{ ...SAVE, name: 'svg' }],
    [{ ...SAVE, name: `${'x'.repeat(200)}.svg` }],
    [{ ...SAVE, encoding: 'latin1' }],
    [{ ...SAVE, content: null }],
    [{ ...SAVE, content: 'not base64!', encoding: 'base64' }],
    [{ type: 'openDocs', address: '../package' }],
    [{ type: 'openDocs', address: 'https://example.com' }],
    [{ type: 'openDocs', address: 'a#b#c' }],
    [{ type: 'remember', view: { ...VIEW, threshold: Number.NaN } }],
    [{ type: 'remember', view: { ...VIEW, threshold: '0.1' } }],
    [{ type: 'remember', view: { ...VIEW, target: 1.5 } }],
    [{ type: 'remember', view: { ...VIEW, ink: 'red' } }],
    [{ type: 'remember', view: { ...VIEW, view: 'settings' } }],
    [{ type: 'remember', view: { ...VIEW, heat: 1 } }],
    [{ type: 'remember', view: Object.create(VIEW) as unknown }],
    [{ type: 'action', action: 'toString' }],
    [{ type: 'action', action: 'workbench.action.reloadWindow' }],
    [{ type: 'selected', position: '1' }],
    [{ type: 'selected' }],
  ])('that do not: %j', (message) => {
    expect(readMessage(message)).toBeNull();
  });

  it('that JSON cannot carry are refused', () => {
    expect(readMessage(withParam('layer', 3n))).toBeNull();
    expect(readMessage(withParam('layer', Symbol('3')))).toBeNull();
  });

  it('are copied without what does not belong', () => {
    expect(readMessage({ type: 'remember', view: { ...VIEW, extra: 1 }, command: 'x' })).toEqual({
      type: 'remember',
      view: VIEW,
    });
  });

  it('questions are copied, and bring no token of their own for progress', () => {
    const params = { runId: 'r', layer: 1, workDoneToken: 'mine', topK: undefined };
    const read = readMessage(withParams(params)) as { question: { params: object } } | null;
    expect(read?.question.params).toEqual({ runId: 'r', layer: 1 });
    expect(read?.question.params).not.toHaveProperty('workDoneToken');
    expect(read?.question.params).not.toHaveProperty('topK');
    expect(read?.question.params).not.toBe(params);
  });

  it('what a question leaves open is left out, and does not stand in for what must be there', () => {
    const params = { runId: 'r', target: null, contrast: null, units: ['X0_1'] };
    const read = readMessage(withParams(params)) as { question: { params: object } } | null;
    expect(Object.keys(read?.question.params ?? {})).toEqual(['runId', 'units']);
    expect(readMessage(withParams({ runId: null }))).toBeNull();
    expect(readMessage(withParam('run id', null))).toBeNull();
  });

  it.each([
    ['a notice', (effects: object) => ({ ...FOUND, effects })],
    ['a question', (effects: object) => withParam('effects', effects)],
  ])('effects in %s are copied without what does not belong', (_, message) => {
    const stray = { extra: () => 1 };
    const unit = { ...UNIT, ...stray };
    const metric = { ...EFFECTS.metric, ...stray, target: { ...EFFECTS.metric.target, ...stray } };
    const faithfulness = { ...EFFECTS.faithfulness, ...stray };
    const effects = { ...EFFECTS, ...stray, units: [unit], metric, faithfulness };
    expect(readMessage(message(effects))).toEqual(message(EFFECTS));
  });

  it('a state that was kept before there were views and heat still counts', () => {
    const layout = { place: 'auto', share: null, maximized: null };
    const {
      view: _view,
      heat: _heat,
      grouping: _grouping,
      lens: _lens,
      opened: _opened,
      layout: _layout,
      ...old
    } = VIEW;
    expect(readView(old)).toEqual({
      ...old,
      view: 'routes',
      lens: 'logit',
      heat: false,
      grouping: 'auto',
      opened: [],
      layout,
    });
  });

  it('a kept state that is not ours is no view', () => {
    expect(readView(undefined)).toBeNull();
    expect(readView({ other: 'extension' })).toBeNull();
    expect(readView(VIEW)).toEqual(VIEW);
    for (const wrong of [null, { place: 'above' }, { ...VIEW.layout, share: 2 }, { ...VIEW.layout, maximized: 'all' }])
      expect(readView({ ...VIEW, layout: wrong ?? 3 })).toBeNull();
  });
});
