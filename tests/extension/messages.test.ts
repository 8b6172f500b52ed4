import { describe, expect, it } from 'vitest';
import { readMessage, readView } from '../../extension/src/panel/messages';

const VIEW = { runId: 'r', target: 3, threshold: 'auto', renormalize: true, ink: 'flow', selection: 'I3_5' };
const QUESTION = { kind: 'nodeTokens', runId: 'r', node: 'A3_5', normalize: true };

describe('messages of the webview', () => {
  it.each([
    { type: 'ready' },
    { type: 'ask', id: 1, question: QUESTION },
    { type: 'ask', id: 1, question: { ...QUESTION, node: 'X0_0' } },
    { type: 'remember', view: VIEW },
    { type: 'remember', view: { ...VIEW, threshold: 0.04, ink: 'local', selection: null } },
    { type: 'action', action: 'setUpBackend' },
    { type: 'selected', position: 0 },
    { type: 'selected', position: null },
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
    [{ type: 'ask', id: 1, question: { ...QUESTION, kind: 'eval' } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, node: 'A3_5; rm' } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, node: 'X1_0' } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, normalize: 'yes' } }],
    [{ type: 'ask', id: 1, question: { ...QUESTION, runId: 'r'.repeat(201) } }],
    [{ type: 'remember', view: { ...VIEW, threshold: Number.NaN } }],
    [{ type: 'remember', view: { ...VIEW, threshold: '0.1' } }],
    [{ type: 'remember', view: { ...VIEW, target: 1.5 } }],
    [{ type: 'remember', view: { ...VIEW, ink: 'red' } }],
    [{ type: 'action', action: 'toString' }],
    [{ type: 'action', action: 'workbench.action.reloadWindow' }],
    [{ type: 'selected', position: '1' }],
    [{ type: 'selected' }],
  ])('that do not: %j', (message) => {
    expect(readMessage(message)).toBeNull();
  });

  it('are copied without what does not belong', () => {
    expect(readMessage({ type: 'remember', view: { ...VIEW, extra: 1 }, command: 'x' })).toEqual({
      type: 'remember',
      view: VIEW,
    });
  });

  it('a kept state that is not ours is no view', () => {
    expect(readView(undefined)).toBeNull();
    expect(readView({ other: 'extension' })).toBeNull();
    expect(readView(VIEW)).toEqual(VIEW);
  });
});
