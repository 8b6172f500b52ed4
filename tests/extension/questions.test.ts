import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ANALYZE } from '../../extension/shared/protocol';
import type { Question } from '../../extension/shared/webview';
import { Failure } from '../../extension/src/failure';
import { CancelSource } from '../../extension/src/cancel';
import type { Panel } from '../../extension/src/panel/panel';
import { newWorld, reply, settle, type World } from './analyses_world';

let backend: World['backend'];
let analyses: World['analyses'];
let panels: World['panels'];
let begin: World['begin'];

beforeEach(() => {
  ({ backend, analyses, panels, begin } = newWorld());
});

describe('questions about an analysis', () => {
  const about = (node: string, runId = 'r1') =>
    ({ method: 'lmTransparency/nodeTokens', params: { runId, node, normalize: true } }) as const;
  const question = about('I0_0');

  async function shown() {
    const { done } = await begin('Hi');
    backend.requests[0]?.resolve(reply('r1', 'Hi'));
    await done;
    const [panel] = panels.all();
    if (!panel) return expect.unreachable('there is a panel');
    backend.requests.length = 0;
    return panel;
  }

  const ask = (panel: Panel, asked: Question = question, source = new CancelSource(), heard = vi.fn()) =>
    analyses.ask(panel, asked, source.token, heard);

  it('go to the backend as they are, whatever they are about', async () => {
    const panel = await shown();
    const answer = ask(panel);
    const map = { method: 'lmTransparency/attentionMap', params: { runId: 'r1', layer: 2, head: -1 } } as const;
    const other = ask(panel, map);
    await settle();
    expect(backend.requests).toMatchObject([question, map]);
    expect(backend.requests[1]?.params).toEqual(map.params);
    backend.requests[0]?.resolve({ node: 'I0_0' });
    backend.requests[1]?.resolve({ layer: 2 });
    expect(await Promise.all([answer, other])).toEqual([{ node: 'I0_0' }, { layer: 2 }]);
  });

  it('tell how far they are', async () => {
    const panel = await shown();
    const heard = vi.fn();
    const answer = ask(panel, question, new CancelSource(), heard);
    await settle();
    const [request] = backend.requests;
    request?.options.onProgress?.({ message: 'layer 3', fraction: 0.1 });
    expect(heard).toHaveBeenCalledExactlyOnceWith({ message: 'layer 3', fraction: 0.1 });
    request?.resolve({});
    await answer;
  });

  it('analyze again when the backend is a new process', async () => {
    const panel = await shown();
    backend.sessionId = 2;
    const heard = vi.fn();
    const answers = [ask(panel, question, new CancelSource(), heard), ask(panel, about('A1_0'))];
    await settle();
    expect(backend.requests).toMatchObject([{ method: ANALYZE, params: { prompt: 'Hi', source: 'org/m' } }]);
    backend.requests[0]?.options.onProgress?.({ message: 'Loading', fraction: null });
    expect(heard).toHaveBeenCalledExactlyOnceWith({ message: 'Loading', fraction: null });
    backend.requests[0]?.resolve(reply('r9', 'Hi'));
    await settle();
    expect(backend.requests.slice(1)).toMatchObject([
      { params: { runId: 'r9', node: 'I0_0' } },
      { params: { runId: 'r9', node: 'A1_0' } },
    ]);
    backend.requests[1]?.resolve({});
    backend.requests[2]?.resolve({});
    await Promise.all(answers);
    expect(panel.shown?.runId).toBe('r1');
  });

  it('end the analysis they waited for once all of them are cancelled', async () => {
    const panel = await shown();
    backend.sessionId = 2;
    const [first, second] = [new CancelSource(), new CancelSource()];
    const answers = [ask(panel, question, first), ask(panel, about('A1_0'), second)];
    const ended = Promise.allSettled(answers);
    await settle();
    first.cancel();
    await settle();
    expect(backend.requests[0]?.options.cancel?.isCancellationRequested).toBe(false);
    second.cancel();
    expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(backend.requests[0]?.options.cancel?.isCancellationRequested).toBe(true);
    // the next question is sent again
    const next = ask(panel);
    await settle();
    backend.requests[1]?.resolve(reply('r9', 'Hi'));
    await settle();
    backend.requests[2]?.resolve({ node: 'I0_0' });
    expect(await next).toEqual({ node: 'I0_0' });
  });

  it.each([
    ['given up', new Failure('cancelled', 'Cancelled.')],
    ['refused', new Failure('invalidPosition', 'There is no layer 99.')],
  ])('that are %s do not cost an analysis', async (_, failure) => {
    const panel = await shown();
    const answer = ask(panel);
    await settle();
    backend.requests[0]?.reject(failure);
    await expect(answer).rejects.toBe(failure);
    const next = ask(panel);
    await settle();
    expect(backend.requests[1]).toMatchObject(question);
    backend.requests[1]?.resolve({});
    await next;
  });

  it('analyze again when the run has expired, but only once', async () => {
    const panel = await shown();
    const answer = ask(panel);
    await settle();
    backend.requests[0]?.reject(new Failure('runExpired', 'Gone.'));
    await settle();
    expect(backend.requests[1]).toMatchObject({ method: ANALYZE });
    backend.requests[1]?.resolve(reply('r2', 'Hi'));
    await settle();
    backend.requests[2]?.reject(new Failure('runExpired', 'Gone again.'));
    await expect(answer).rejects.toMatchObject({ message: 'Gone again.' });
    expect(backend.requests).toHaveLength(3);
  });

  it('share one analysis when they find the run expired', async () => {
    const panel = await shown();
    const answers = [ask(panel), ask(panel, about('A1_0'))];
    await settle();
    backend.requests[0]?.reject(new Failure('runExpired', 'Gone.'));
    await settle();
    backend.requests[1]?.reject(new Failure('runExpired', 'Gone.'));
    await settle();
    expect(backend.requests.slice(2).map(({ method }) => method)).toEqual([ANALYZE]);
    backend.requests[2]?.resolve(reply('r2', 'Hi'));
    await settle();
    for (const request of backend.requests.slice(3)) request.resolve({});
    await Promise.all(answers);
  });

  it('about something that is not shown are refused', async () => {
    const panel = await shown();
    await expect(ask(panel, about('I0_0', 'other'))).rejects.toMatchObject({ kind: 'runExpired' });
  });
});
