import { describe, expect, it } from 'vitest';
import { INSPECTIONS } from '../../extension/shared/protocol';
import { readMessage, readView } from '../../extension/src/panel/messages';

const VIEW = {
  runId: 'r',
  target: 3,
  threshold: 'auto',
  renormalize: true,
  ink: 'flow',
  selection: 'I3_5',
  view: 'heads',
  heat: true,
  grouping: 'sentence',
  opened: [0, 40],
    metric: null,
};
const QUESTION = { method: 'lmTransparency/nodeTokens', params: { runId: 'r', node: 'A3_5', normalize: true } };
const SAVE = { type: 'save', name: 'ioi.svg', content: '<svg/>', encoding: 'utf8' };

const withParams = (params: unknown) => ({ type: 'ask', id: 1, question: { ...QUESTION, params } });
const withParam = (name: string, value: unknown) => withParams({ runId: 'r', [name]: value });

describe('messages of the webview', () => {
  it.each([
    { type: 'ready' },
    { type: 'ask', id: 1, question: QUESTION },
    withParams({ runId: 'r' }),
    withParams({ runId: 'r', position: 3, tokens: Array.from({ length: 64 }, (_, index) => index) }),
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
    [withParam('layer', null)],
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
        Array.from({ length: 65 }, () => 1),
      ),
    ],
    [withParam('run id', 1)],
    [{ type: 'giveUp', id: '1' }],
    [{ type: 'heat', masses: [0.1, Number.NaN] }],
    [{ type: 'heat', masses: [-1] }],
    [{ type: 'heat', masses: new Array(4) }],
    [{ type: 'heat', masses: { 0: 1, length: 1 } }],
    [{ type: 'heat', masses: new Float32Array(2) }],
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

  it('a state that was kept before there were views and heat still counts', () => {
    const { view: _view, heat: _heat, grouping: _grouping, opened: _opened, ...old } = VIEW;
    expect(readView(old)).toEqual({ ...old, view: 'routes', heat: false, grouping: 'auto', opened: [] });
  });

  it('a kept state that is not ours is no view', () => {
    expect(readView(undefined)).toBeNull();
    expect(readView({ other: 'extension' })).toBeNull();
    expect(readView(VIEW)).toEqual(VIEW);
  });
});
