import { decode } from '@msgpack/msgpack';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ANALYZE, PLAIN_LENS } from '../../extension/shared/protocol';
import { Failure } from '../../extension/src/failure';
import { NOTHING_SET, newWorld, reply, settle, wholeText, type World } from './analyses_world';
import { createdPanels, type FakeWebviewPanel } from './vscode.fake';

vi.mock('@msgpack/msgpack', async (original) => {
  const actual = await original<typeof import('@msgpack/msgpack')>();
  return { ...actual, decode: vi.fn(actual.decode) };
});

const states = (panel: FakeWebviewPanel | undefined) =>
  panel?.sent.map((message) => (message as { type: string }).type);
const last = (panel: FakeWebviewPanel | undefined) => panel?.sent.at(-1) as Record<string, unknown> | undefined;

let backend: World['backend'];
let analyses: World['analyses'];
let panels: World['panels'];
let kept: World['kept'];
let run: World['run'];
let begin: World['begin'];
let follow: World['follow'];

beforeEach(() => {
  ({ backend, analyses, panels, kept, run, begin, follow } = newWorld());
});

describe('an analysis', () => {
  it('shows the panel at once, then progress, then the result, and keeps it', async () => {
    const done = run('Hi');
    const fake = createdPanels.at(-1);
    fake?.says({ type: 'ready' });
    expect(fake?.title).toBe('Routes: a.prompt');
    expect(last(fake)).toEqual({ type: 'progress', message: 'Preparing', fraction: null });
    await settle();
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
    expect(kept).toMatchObject([{ runId: 'r1', uri: 'file:///p/a.prompt', place: { start: 0, end: 2 } }]);
    expect(analyses.jobs).toEqual([]);
  });

  it('is decoded once, however large', async () => {
    const { done } = await begin('Hi');
    vi.mocked(decode).mockClear();
    backend.requests[0]?.resolve(reply('r1', 'Hi'));
    await done;
    expect(kept).toMatchObject([{ runId: 'r1' }]);
    expect(decode).toHaveBeenCalledTimes(1);
  });

  it('shows the graph of its target first, and the rest without a word of progress in its place', async () => {
    const { done, fake } = await begin('Hi');
    const request = backend.requests[0];
    request?.options.onPartial?.(reply('r1', 'Hi'));
    request?.options.onProgress?.({ message: 'Contributions, layer 3 of 30', fraction: 0.4 });
    expect(states(fake)?.slice(-3)).toEqual(['analysis', 'filling', 'filling']);
    const filling = { going: true, message: 'Contributions, layer 3 of 30', fraction: 0.4 };
    expect(last(fake)).toEqual({ type: 'filling', filling });
    // a page that starts over hears it again
    fake?.says({ type: 'ready' });
    expect(last(fake)).toEqual({ type: 'filling', filling });
    expect(kept).toEqual([]);
    expect(analyses.jobs).toHaveLength(1);
    const view = { runId: 'r1', target: 0, threshold: 'auto', renormalize: true, ink: 'flow', selection: 'I0_0' };
    fake?.says({ type: 'remember', view });
    request?.resolve(reply('r1', 'Hi'));
    await done;
    expect(fake?.sent.at(-2)).toMatchObject({ type: 'analysis', runId: 'r1', view });
    expect(last(fake)).toEqual({ type: 'filling', filling: null });
    expect(kept).toMatchObject([{ runId: 'r1' }]);
  });

  it.each([
    ['called off', () => analyses.cancel(), ''],
    ['out of memory', () => backend.requests[0]?.reject(new Failure('outOfMemory', 'Too long.')), 'Too long.'],
  ])('keeps the first graph when the rest is %s', async (_, end, message) => {
    const { done, fake } = await begin('Hi');
    backend.requests[0]?.options.onPartial?.(reply('r1', 'Hi'));
    end();
    await done;
    expect(states(fake)).not.toContain('failure');
    expect(last(fake)).toEqual({ type: 'filling', filling: { going: false, message, fraction: null } });
    expect(panels.all()[0]).toMatchObject({ shown: { runId: 'r1' }, isFilling: true });
    expect(kept).toEqual([]);
    // the next result is whole again
    const again = run('Hi');
    await settle();
    backend.requests[1]?.resolve(reply('r2', 'Hi'));
    await again;
    expect(panels.all()[0]?.isFilling).toBe(false);
  });

  it('is of the prompt that the server finds, as its file says', async () => {
    const settings = {
      ...NOTHING_SET,
      model: 'org/other',
      specialTokens: 'none',
      target: ' x',
      threshold: 0.1,
    } as const;
    backend.prompt = (params) => ({
      ...wholeText('one\n---\ntwo', { ...params, start: 8, end: 11 }),
      chat: true,
      settings,
    });
    const { done, fake } = await begin('one\n---\ntwo');
    expect(backend.requests[0]?.params).toMatchObject({
      prompt: 'two', chat: true, source: 'org/other', specialTokens: 'none',
    }); // prettier-ignore
    backend.requests[0]?.resolve(reply('r1', 'two'));
    await done;
    expect(kept.at(-1)).toMatchObject({ place: { start: 8, end: 11 }, settings });
    expect(last(fake)).toMatchObject({ view: { threshold: 0.1 }, about: { target: ' x', contrast: null } });
  });

  it('opens beside another one for comparison, and both can be analyzed again', async () => {
    const first = await begin('one');
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await first.done;
    const second = await begin('one', undefined, { source: 'org/other' });
    expect(backend.requests[1]?.params).toMatchObject({ prompt: 'one', source: 'org/other' });
    backend.requests[1]?.resolve(reply('r2', 'one'));
    await second.done;
    expect(createdPanels.map(({ title }) => title)).toEqual(['Routes: a.prompt · m', 'Compared: a.prompt · m']);
    expect(kept.map(({ isComparison }) => isComparison)).toEqual([false, true]);
    // of another file: the one panel for comparisons
    const third = run('two', '/p/b.prompt', { source: null });
    await settle();
    expect(createdPanels).toHaveLength(2);
    backend.requests[2]?.resolve(reply('r3', 'two'));
    await third;
    expect(last(second.fake)).toMatchObject({ runId: 'r3' });
    expect(last(first.fake)).toMatchObject({ runId: 'r1' });
    expect(panels.all().map(({ comparison }) => comparison)).toEqual([null, { source: null }]);
  });

  it('is ended by a newer one of the same document', async () => {
    const first = await begin('one');
    const second = run('two');
    await first.done;
    await settle();
    expect(createdPanels).toHaveLength(1);
    expect(backend.requests[0]?.options.cancel?.isCancellationRequested).toBe(true);
    backend.requests[0]?.options.onProgress?.({ message: 'late', fraction: 1 });
    backend.requests[1]?.resolve(reply('r2', 'two'));
    await second;
    expect(states(first.fake)).not.toContain('failure');
    expect(first.fake?.sent.filter((message) => (message as { message?: string }).message === 'late')).toEqual([]);
    expect(last(first.fake)).toMatchObject({ type: 'analysis', runId: 'r2' });
  });

  it('keeps the graph while following typing, and says why there is no newer one', async () => {
    const first = await begin('one');
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await first.done;
    vi.useFakeTimers();
    const typed = async (text: string) => {
      const outcome = follow(text);
      await vi.advanceTimersByTimeAsync(0);
      return { outcome };
    };
    const [superseded, shown] = [await typed('one t'), await typed('one tw')];
    expect(backend.requests[1]?.options.cancel?.isCancellationRequested).toBe(true);
    backend.requests[1]?.reject(new Failure('cancelled', ''));
    backend.requests[2]?.resolve(reply('r3', 'one tw'));
    expect(await Promise.all([superseded.outcome, shown.outcome])).toEqual(['superseded', 'shown']);
    expect(last(first.fake)).toMatchObject({ type: 'analysis', runId: 'r3', edited: true });
    expect(states(first.fake)?.slice(-3)).toEqual(['updating', 'updating', 'analysis']);
    const refused = await typed('');
    backend.requests[3]?.reject(new Failure('invalidPrompt', 'The prompt is empty.'));
    expect(await refused.outcome).toBe('refused');
    expect(last(first.fake)).toEqual({ type: 'updating', message: 'There is no prompt here: the text is empty.' });
    // one file when the hands rest
    expect(kept).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(3000);
    expect(kept.map(({ runId }) => runId)).toEqual(['r1', 'r3']);
    vi.useRealTimers();
  });

  it('leaves the analysis of another document alone', async () => {
    const one = await begin('one', '/p/one.prompt');
    const two = await begin('two', '/p/two.prompt');
    expect(createdPanels).toHaveLength(2);
    backend.requests[1]?.resolve(reply('r2', 'two'));
    await two.done;
    expect(analyses.jobs.map((job) => job.title)).toEqual(['one.prompt']);
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await one.done;
    expect(last(one.fake)).toMatchObject({ runId: 'r1' });
  });

  it('of another document takes the panel, which names it until it is there, and goes back where that is cancelled', async () => {
    const { done, fake } = await begin('one', '/p/one.prompt');
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await done;
    const two = run('two', '/p/two.prompt');
    await settle();
    expect(createdPanels).toHaveLength(1);
    const cancel = { action: 'cancel', label: 'Cancel' };
    const updating = { type: 'updating', message: 'two.prompt: Preparing', fraction: null, action: cancel };
    expect(last(fake)).toEqual(updating);
    expect(fake?.title).toBe('Routes: one.prompt · m');
    analyses.cancel();
    await two;
    expect(panels.all()[0]?.uri?.path).toBe('/p/one.prompt');
    const empty = run('', '/p/two.prompt');
    await empty;
    expect(last(fake)).toMatchObject({
      type: 'failure',
      message: expect.stringMatching(/^two.prompt: There is no prompt/),
    });
    panels.all()[0]?.dismiss();
    expect(panels.all()[0]?.uri?.path).toBe('/p/one.prompt');
    const again = run('two', '/p/two.prompt');
    await settle();
    backend.requests.at(-1)?.resolve(reply('r2', 'two'));
    await again;
    expect(fake?.title).toBe('Routes: two.prompt · m');
  });

  it('by a model that is refused shows its lens, and the graph before when that is dismissed', async () => {
    const { done, fake } = await begin('one');
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await done;
    const refused = run('two');
    await settle();
    const data = { kind: 'modelUnsupported', remedy: 'Choose another model.' };
    backend.requests[1]?.reject(Object.assign(new Error('It has no blocks.'), { code: -32803, data }));
    await refused;
    const asked = backend.requests[2];
    expect(asked).toMatchObject({ method: PLAIN_LENS, params: { prompt: 'two', source: 'org/m', topK: 5 } });
    asked?.options.onProgress?.({ message: 'reading weights', fraction: null });
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'It has no blocks.', lens: 'reading weights' });
    asked?.resolve({ model: 'm' });
    await settle();
    const back = { action: 'dismiss', label: 'Back to the Graph' };
    expect(last(fake)).toMatchObject({ lens: { model: 'm' }, actions: expect.arrayContaining([back]) });
    panels.all()[0]?.dismiss();
    expect(last(fake)).toMatchObject({ type: 'analysis', runId: 'r1' });
  });

  it('ends the reading of a lens that is no longer wanted, and says why where there is none', async () => {
    const refuse = async (at: number) => {
      const { done, fake } = await begin('one');
      backend.requests[at]?.reject(Object.assign(new Error('No blocks.'), { code: -32803, data: { kind: 'modelUnsupported', remedy: '' } })); // prettier-ignore
      await done;
      return fake;
    };
    await refuse(0);
    const fake = await refuse(2);
    expect(backend.requests[1]?.options.cancel?.isCancellationRequested).toBe(true);
    expect(last(fake)).toMatchObject({ type: 'failure', lens: 'Reading its logit lens' });
    backend.requests[3]?.reject(new Error('It hands out no hidden states.'));
    await settle();
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'No blocks.' });
    expect(last(fake)).not.toHaveProperty('lens');
  });

  it('says that it was cancelled, or returns to the previous one', async () => {
    const { done, fake } = await begin('one');
    analyses.cancel();
    await done;
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'The analysis was cancelled.' });
    const again = run('one');
    await settle();
    backend.requests[1]?.resolve(reply('r1', 'one'));
    await again;
    const before = states(fake);
    const third = run('one');
    await settle();
    backend.requests[2]?.options.onProgress?.({ message: 'layer 3', fraction: 0.1 });
    const cancel = { action: 'cancel', label: 'Cancel' };
    expect(last(fake)).toEqual({ type: 'updating', message: 'layer 3', fraction: 0.1, action: cancel });
    // a page that starts over has the graph, and what is said over it
    fake?.says({ type: 'ready' });
    expect(states(fake)?.slice(-2)).toEqual(['analysis', 'updating']);
    analyses.cancel();
    await third;
    expect(last(fake)).toEqual({ type: 'updating', message: null });
    expect(states(fake)?.filter((type) => type === 'progress')).toEqual(before?.filter((type) => type === 'progress'));
  });

  it('says why it failed over the previous graph, until dismissed or replaced', async () => {
    const first = await begin('one');
    backend.requests[0]?.resolve(reply('r1', 'one'));
    await first.done;
    const failing = run('one');
    await settle();
    backend.requests[1]?.reject(new Failure('outOfMemory', 'Too long.', 'Shorten it.'));
    await failing;
    const [panel] = panels.all();
    expect(last(first.fake)).toMatchObject({ type: 'failure', message: 'Too long.' });
    expect((last(first.fake)?.['actions'] as { action: string }[]).at(-1)?.action).toBe('dismiss');
    first.fake?.says({ type: 'ready' });
    expect(states(first.fake)?.slice(-2)).toEqual(['analysis', 'failure']);
    panel?.dismiss();
    expect(last(first.fake)).toEqual({ type: 'updating', message: null });
    first.fake?.says({ type: 'ready' });
    expect(last(first.fake)).toMatchObject({ type: 'analysis', runId: 'r1' });
    expect(panel?.shown?.runId).toBe('r1');
  });

  it('ends when its panel is closed', async () => {
    const { done, fake } = await begin('one');
    fake?.dispose();
    await done;
    expect(backend.requests[0]?.options.cancel?.isCancellationRequested).toBe(true);
    expect(analyses.jobs).toEqual([]);
  });

  it('reports the message of the backend', async () => {
    const failed = vi.fn();
    analyses.failed.listen(failed);
    const { done, fake } = await begin('one');
    backend.requests[0]?.reject(new Failure('modelNotFound', 'There is no model at x.', 'Give a folder.'));
    await done;
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'There is no model at x.', remedy: 'Give a folder.' });
    expect((last(fake)?.['actions'] as { action: string }[])[0]?.action).toBe('selectModel');
    expect(failed).toHaveBeenCalledOnce();
  });

  it('sends no request without a prompt, and says why', async () => {
    backend.prompt = () => {
      throw new Failure('invalidPrompt', 'There is no prompt here.', 'Write one.');
    };
    const { done, fake } = await begin('---');
    await done;
    expect(backend.requests).toEqual([]);
    expect(last(fake)).toMatchObject({ type: 'failure', message: 'There is no prompt here.', remedy: 'Write one.' });
  });

  it('fails if it cannot be read', async () => {
    const { done, fake } = await begin('one');
    backend.requests[0]?.resolve({ runId: 'x', payload: 'AAAA' });
    await done;
    expect(last(fake)).toMatchObject({ type: 'failure', message: expect.stringContaining('cannot read') as string });
  });
});

describe('a panel that VS Code brings back', () => {
  it('shows the kept analysis without the backend', async () => {
    const first = await begin('Hi');
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
    expect(back.title).toBe('Routes: a.prompt · m');
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
      message: 'There is no analysis to show.',
      actions: [{ action: 'analyze' }],
    });
  });
});
