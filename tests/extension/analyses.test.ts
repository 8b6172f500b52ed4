import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ANALYZE } from '../../extension/shared/protocol';
import { Failure } from '../../extension/src/backend/failure';
import { newWorld, reply, type World } from './analyses_world';
import { createdPanels, type FakeWebviewPanel } from './vscode.fake';

const states = (panel: FakeWebviewPanel | undefined) =>
  panel?.sent.map((message) => (message as { type: string }).type);
const last = (panel: FakeWebviewPanel | undefined) => panel?.sent.at(-1) as Record<string, unknown> | undefined;

let backend: World['backend'];
let analyses: World['analyses'];
let panels: World['panels'];
let kept: World['kept'];
let run: World['run'];
let begin: World['begin'];

beforeEach(() => {
  ({ backend, analyses, panels, kept, run, begin } = newWorld());
});

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

  it('is of the prompt at the cursor', async () => {
    const text = 'one\n---\ntwo\n---\nthree\n';
    for (const [index, prompt] of ['one', 'two', 'three'].entries()) {
      const done = run(text, undefined, text.indexOf(prompt) + 1);
      expect(backend.requests[index]?.params).toMatchObject({ prompt });
      backend.requests[index]?.resolve(reply(`r${index}`, prompt));
      await done;
      expect(kept.at(-1)).toMatchObject({ start: text.indexOf(prompt), end: text.indexOf(prompt) + prompt.length });
    }
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
    // a state of before there were views and heat
    expect(panels.all().at(-1)?.view).toMatchObject({ view: 'routes', heat: false });
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
