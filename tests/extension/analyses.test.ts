import { encode } from '@msgpack/msgpack';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { TextDocument, Uri } from 'vscode';
import { ANALYZE, NODE_TOKENS } from '../../extension/shared/protocol';
import type { Backend, RequestOptions } from '../../extension/src/backend/backend';
import { cancelled, Failure } from '../../extension/src/backend/failure';
import { CancelSource } from '../../extension/src/cancel';
import { Analyses } from '../../extension/src/panel/analyses';
import { Panels } from '../../extension/src/panel/panels';
import type { ResultStore, StoredResult } from '../../extension/src/panel/resultStore';
import { checkSettings } from '../../extension/src/settings';
import { createdPanels, type FakeWebviewPanel, Uri as FakeUri } from './vscode.fake';

/** A backend that holds every request until the test settles it. */
class FakeBackend {
  sessionId: number | null = 1;
  readonly requests: {
    method: string;
    params: Record<string, unknown>;
    options: RequestOptions;
    resolve(value: unknown): void;
    reject(error: unknown): void;
  }[] = [];
  start = () => Promise.resolve((this.sessionId ??= 1));
  request(method: string, params: Record<string, unknown>, options: RequestOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.requests.push({ method, params, options, resolve, reject });
      options.cancel?.onCancellationRequested(() => reject(cancelled()));
    });
  }
}

const reply = (runId: string, prompt: string) => ({
  runId,
  payload: Buffer.from(
    encode({ meta: { format: 1, runId, prompt, model: { name: 'm' }, tokens: [] }, columns: {} }),
  ).toString('base64'),
});

const document = (text: string, path = '/p/a.prompt') =>
  ({
    uri: FakeUri.file(path),
    languageId: 'lm-prompt',
    getText: () => text,
    offsetAt: () => 0,
  }) as unknown as TextDocument;

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
const states = (panel: FakeWebviewPanel | undefined) =>
  panel?.sent.map((message) => (message as { type: string }).type);
const last = (panel: FakeWebviewPanel | undefined) => panel?.sent.at(-1) as Record<string, unknown> | undefined;

let backend: FakeBackend;
let analyses: Analyses;
let kept: StoredResult[];
let panels: Panels;

beforeEach(() => {
  createdPanels.length = 0;
  backend = new FakeBackend();
  kept = [];
  const store = {
    put: (result: StoredResult) => Promise.resolve(void kept.push(result)),
    get: (runId: string) => Promise.resolve(kept.find((result) => result.runId === runId) ?? null),
  } as unknown as ResultStore;
  const settings = () => checkSettings((key) => ({ model: ' org/m ', topK: 7 })[key]);
  analyses = new Analyses(
    backend as unknown as Backend,
    () => panels,
    store,
    settings,
    () => undefined,
  );
  panels = new Panels(FakeUri.file('/ext') as unknown as Uri, store, {
    ask: (panel, question, cancel) => analyses.ask(panel, question, cancel),
    act: vi.fn(),
    selected: vi.fn(),
    shown: vi.fn(),
    disposed: (panel) => analyses.cancel(panel),
    ignored: vi.fn(),
  });
});

const run = (text: string, path?: string) => analyses.run({ document: document(text, path), selection: null });

/** Starts an analysis; its page is ready. */
function begin(text: string, path?: string) {
  const done = run(text, path);
  const fake = createdPanels.at(-1);
  fake?.says({ type: 'ready' });
  return { done, fake };
}

describe('an analysis', () => {
  it('shows the panel at once, then progress, then the result, and keeps it', async () => {
    const { done, fake } = begin('Hi');
    expect(fake?.title).toBe('Routes: a.prompt');
    expect(last(fake)).toEqual({ type: 'progress', message: 'Preparing', fraction: null });
    const request = backend.requests[0];
    expect(request).toMatchObject({
      method: ANALYZE,
      params: {
        prompt: 'Hi',
        source: 'org/m',
        topK: 7,
        dtype: 'auto',
        device: 'auto',
        specialTokens: 'auto',
        allowDownload: false,
      },
    });
    request?.options.onProgress?.({ message: 'Forward pass, layer 3 of 30', fraction: 0.1 });
    expect(last(fake)).toMatchObject({ message: 'Forward pass, layer 3 of 30', fraction: 0.1 });
    request?.resolve(reply('r1', 'Hi'));
    await done;
    expect(last(fake)).toMatchObject({ type: 'analysis', runId: 'r1' });
    expect(kept).toMatchObject([{ runId: 'r1', uri: 'file:///p/a.prompt', start: 0, end: 2 }]);
    expect(analyses.jobs).toEqual([]);
  });

  it('is ended by a newer one of the same document', async () => {
    const first = begin('one');
    const second = run('two');
    await first.done;
    expect(createdPanels).toHaveLength(1);
    expect(backend.requests[0]?.options.cancel?.isCancellationRequested).toBe(true);
    backend.requests[0]?.options.onProgress?.({ message: 'late', fraction: 1 });
    backend.requests[1]?.resolve(reply('r2', 'two'));
    await second;
    expect(states(first.fake)).not.toContain('failure');
    expect(first.fake?.sent.filter((message) => (message as { message?: string }).message === 'late')).toEqual([]);
    expect(last(first.fake)).toMatchObject({ type: 'analysis', runId: 'r2' });
  });

  it('leaves the analysis of another document alone', async () => {
    const one = begin('one', '/p/one.prompt');
    const two = begin('two', '/p/two.prompt');
    expect(createdPanels).toHaveLength(2);
    backend.requests[1]?.resolve(reply('r2', 'two'));
    await two.done;
    expect(analyses.jobs.map((job) => job.title)).toEqual(['one.prompt']);
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await one.done;
    expect(last(one.fake)).toMatchObject({ runId: 'r1' });
  });

  it('that is cancelled says so, or goes back to the one before', async () => {
    const { done, fake } = begin('one');
    analyses.cancel();
    await done;
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'The analysis was cancelled.' });
    const again = run('one');
    backend.requests[1]?.resolve(reply('r1', 'one'));
    await again;
    const third = run('one');
    analyses.cancel();
    await third;
    expect(last(fake)).toMatchObject({ type: 'analysis', runId: 'r1' });
  });

  it('ends when its panel is closed', async () => {
    const { done, fake } = begin('one');
    fake?.dispose();
    await done;
    expect(backend.requests[0]?.options.cancel?.isCancellationRequested).toBe(true);
    expect(analyses.jobs).toEqual([]);
  });

  it('tells what the backend said', async () => {
    const failed = vi.fn();
    analyses.failed.listen(failed);
    const { done, fake } = begin('one');
    backend.requests[0]?.reject(new Failure('modelNotFound', 'There is no model at x.', 'Give a folder.'));
    await done;
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'There is no model at x.', remedy: 'Give a folder.' });
    expect((last(fake)?.['actions'] as { action: string }[])[0]?.action).toBe('selectModel');
    expect(failed).toHaveBeenCalledOnce();
  });

  it.each([
    ['', /empty/],
    ['a\0b', /NUL/],
    ['\ud800', /surrogate/],
  ])('of a text that is no prompt asks nobody', async (text, message) => {
    const { done, fake } = begin(text);
    await done;
    expect(backend.requests).toEqual([]);
    fake?.says({ type: 'ready' });
    expect(last(fake)).toMatchObject({ type: 'failure', message: expect.stringMatching(message) as string });
  });

  it('that cannot be read is a failure', async () => {
    const { done, fake } = begin('one');
    backend.requests[0]?.resolve({ runId: 'x', payload: 'AAAA' });
    await done;
    expect(last(fake)).toMatchObject({ type: 'failure', message: expect.stringContaining('cannot read') as string });
  });
});

describe('questions about an analysis', () => {
  const question = { kind: 'nodeTokens', runId: 'r1', node: 'I0_0', normalize: true } as const;
  const cancel = new CancelSource().token;

  async function shown() {
    const { done } = begin('Hi');
    backend.requests[0]?.resolve(reply('r1', 'Hi'));
    await done;
    const [panel] = panels.all();
    if (!panel) return expect.unreachable('there is a panel');
    backend.requests.length = 0;
    return panel;
  }

  it('go to the backend', async () => {
    const panel = await shown();
    const answer = analyses.ask(panel, question, cancel);
    await settle();
    expect(backend.requests).toMatchObject([
      { method: NODE_TOKENS, params: { runId: 'r1', node: 'I0_0', normalize: true } },
    ]);
    backend.requests[0]?.resolve({ node: 'I0_0' });
    expect(await answer).toEqual({ kind: 'nodeTokens', result: { node: 'I0_0' } });
  });

  it('analyze once more when the backend is another process now', async () => {
    const panel = await shown();
    backend.sessionId = 2;
    const answers = [analyses.ask(panel, question, cancel), analyses.ask(panel, { ...question, node: 'A1_0' }, cancel)];
    await settle();
    expect(backend.requests).toMatchObject([{ method: ANALYZE, params: { prompt: 'Hi', source: 'org/m' } }]);
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

  it('analyze once more when the run has expired, but only once', async () => {
    const panel = await shown();
    const answer = analyses.ask(panel, question, cancel);
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

  it('about something that is not shown are refused', async () => {
    const panel = await shown();
    await expect(analyses.ask(panel, { ...question, runId: 'other' }, cancel)).rejects.toMatchObject({
      kind: 'runExpired',
    });
  });
});

describe('a panel that VS Code brings back', () => {
  it('shows the kept analysis without the backend', async () => {
    const first = begin('Hi');
    backend.requests[0]?.resolve(reply('r1', 'Hi'));
    await first.done;
    const { FakeWebviewPanel } = await import('./vscode.fake');
    const back = new FakeWebviewPanel();
    const view = { runId: 'r1', target: 0, threshold: 'auto', renormalize: true, ink: 'flow', selection: null };
    await panels.deserializeWebviewPanel(back as never, view);
    back.says({ type: 'ready' });
    expect(last(back)).toMatchObject({ type: 'analysis', runId: 'r1', view });
    expect(back.title).toBe('Routes: a.prompt');
    expect(backend.requests).toHaveLength(1);
  });

  it.each([
    [undefined],
    [{ runId: 'forgotten', target: 0, threshold: 'auto', renormalize: true, ink: 'flow', selection: null }],
    ['junk'],
  ])('says so when nothing is kept (%#)', async (state) => {
    const { FakeWebviewPanel } = await import('./vscode.fake');
    const back = new FakeWebviewPanel();
    await panels.deserializeWebviewPanel(back as never, state);
    back.says({ type: 'ready' });
    expect(last(back)).toMatchObject({
      type: 'failure',
      message: 'There is no analysis to show here.',
      actions: [{ action: 'analyze' }],
    });
  });
});
