import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ANALYZE, CONFIGURE } from '../../extension/shared/protocol';
import type { Backend, BackendStatus } from '../../extension/src/backend/backend';
import { tellTraceMemory } from '../../extension/src/backend/traceMemory';
import { Signal } from '../../extension/src/signal';
import { newWorld, reply, settle, type World } from './analyses_world';
import { happens, shown, window } from './vscode.fake';

const MESSAGE = '2048 tokens take about 3 minutes and 1.9 GB; 1.2 GB are free. Up to about 1300 tokens fit.';
const costly = () => ({
  code: -32803,
  message: MESSAGE,
  data: { kind: 'costly', remedy: 'Shorten the prompt.', neededBytes: 1.9e9, freeBytes: 1.2e9 },
});

let world: World;
beforeEach(() => {
  world = newWorld();
  vi.restoreAllMocks();
  shown.warnings.length = shown.answers.length = 0;
  shown.machine = {};
  shown.workspace = {};
});

/** Analyzes a text whose first request, if it asks, is refused as costly; the params that were sent. */
async function analyze(text: string, path?: string): Promise<Record<string, unknown>[]> {
  const before = world.backend.requests.length;
  const done = world.run(text, path);
  await settle();
  if (world.backend.requests.at(-1)?.params['ask']) world.backend.requests.at(-1)?.reject(costly());
  await settle();
  world.backend.requests.at(-1)?.resolve(reply(`r${before}`, text));
  await done;
  return world.backend.requests.slice(before).map(({ params }) => params);
}

describe('an analysis that is costly', () => {
  it('is asked about with its figures, beside the window, and begun when that is wanted', async () => {
    shown.answers.push('Run');
    const sent = await analyze('long');
    expect(shown.warnings).toMatchObject([
      { text: `a.prompt: ${MESSAGE} Run it?`, modal: false, offered: ['Run', 'Don’t Ask for This Prompt', 'Cancel'] },
    ]);
    expect(sent).toMatchObject([{ ask: true, askAboveSeconds: 60, askAboveMb: 0 }, { prompt: 'long' }]);
    expect(sent[1]).not.toHaveProperty('ask');
    expect(world.kept).toHaveLength(1);
  });

  it.each(['Cancel', undefined])(
    'is not begun otherwise (%s), and the panel says that it was cancelled',
    async (no) => {
      if (no) shown.answers.push(no);
      const { done, fake } = await world.begin('long');
      world.backend.requests[0]?.reject(costly());
      await done;
      expect(world.backend.requests).toHaveLength(1);
      expect(fake?.sent.at(-1)).toMatchObject({ type: 'failure', message: 'The analysis was cancelled.' });
    },
  );

  it('is not asked about again for a prompt for which that is not wanted', async () => {
    shown.answers.push('Don’t Ask for This Prompt', 'Run');
    expect(await analyze('long')).toHaveLength(2);
    expect(await analyze('long, and longer')).toHaveLength(1);
    expect(await analyze('another', '/p/b.prompt')).toHaveLength(2);
    expect(shown.warnings).toHaveLength(2);
  });

  it('asks no question while following typing: the panel offers it, and the previous graph stays', async () => {
    const { done, fake } = await world.begin('short');
    world.backend.requests[0]?.resolve(reply('r1', 'short'));
    await done;
    const said = () => fake?.sent.filter((message) => (message as { type: string }).type === 'updating');
    for (const text of ['long', 'longer']) {
      const outcome = world.follow(text);
      await settle();
      world.backend.requests.at(-1)?.reject(costly());
      expect(await outcome).toBe('costly');
    }
    const message = `Too long to follow as you type: ${MESSAGE}`;
    const offer = { type: 'updating', message, action: { action: 'analyze', label: 'Analyze Once' } };
    // and does not flicker at each key
    expect(said()).toEqual([{ type: 'updating', message: 'Updating' }, offer, offer]);
    const shorter = world.follow('short again');
    await settle();
    world.backend.requests.at(-1)?.resolve(reply('r2', 'short again'));
    expect(await shorter).toBe('shown');
    expect(fake?.sent.at(-1)).toMatchObject({ type: 'analysis', runId: 'r2', edited: true });
    expect(shown.warnings).toEqual([]);
  });

  it('can be cancelled while the question is open, and says what it waits for', async () => {
    vi.spyOn(window, 'showWarningMessage').mockReturnValue(new Promise(() => undefined));
    const { done, fake } = await world.begin('long');
    world.backend.requests[0]?.reject(costly());
    await settle();
    expect(fake?.sent.at(-1)).toMatchObject({
      type: 'progress',
      message: expect.stringContaining('Answer in the notification') as string,
    });
    world.analyses.cancel();
    await done;
    expect(world.analyses.jobs).toEqual([]);
  });

  it('is made again without a question where the backend has forgotten it', async () => {
    shown.answers.push('Run');
    await analyze('long');
    const { shown: panel } = { shown: world.panels.all()[0] };
    if (!panel) throw new Error('no panel');
    const asked = world.analyses.ask(
      panel,
      { method: 'lmTransparency/nodeTokens', params: { runId: 'r0', node: 'I0_0' } },
      { isCancellationRequested: false, onCancellationRequested: () => ({ dispose: () => undefined }) },
      () => undefined,
    );
    await settle();
    world.backend.requests.at(-1)?.reject({ code: -32803, message: 'Gone.', data: { kind: 'runExpired', remedy: '' } });
    await settle();
    const again = world.backend.requests.at(-1);
    expect(again?.method).toBe(ANALYZE);
    expect(again?.params).not.toHaveProperty('ask');
    again?.resolve(reply('new', 'long'));
    await settle();
    expect(world.backend.requests.at(-1)?.params).toMatchObject({ runId: 'new', node: 'I0_0' });
    world.backend.requests.at(-1)?.resolve({ top: [] });
    expect(await asked).toEqual({ top: [] });
    expect(shown.warnings).toHaveLength(1);
  });
});

describe('the memory for analyses', () => {
  const changed = new Signal<BackendStatus>();
  const sent: [string, unknown][] = [];
  const backend = {
    changed,
    sessionId: 1,
    status: { phase: 'running' },
    request: (method: string, params: unknown) => Promise.resolve(sent.push([method, params])),
  };
  const running = () => changed.fire({ phase: 'running', health: null, failure: null });

  it('is sent to each process once if this machine sets it, and on every change', () => {
    const telling = tellTraceMemory(backend as unknown as Backend, () => undefined);
    const set = (key: string) => happens.configuration.fire({ affectsConfiguration: (name) => key.startsWith(name) });
    running();
    expect(sent).toEqual([]);
    shown.workspace['traces.memoryMb'] = 9;
    backend.sessionId = 2;
    running();
    expect(sent).toEqual([]);
    shown.machine['traces.memoryMb'] = 500;
    backend.sessionId = 3;
    running();
    running();
    expect(sent).toEqual([[CONFIGURE, { traceMemoryMb: 500 }]]);
    shown.machine['traces.memoryMb'] = 'much';
    set('lmTransparency.topK');
    expect(sent).toHaveLength(1);
    set('lmTransparency.traces.memoryMb');
    expect(sent.at(-1)).toEqual([CONFIGURE, { traceMemoryMb: 0 }]);
    backend.status.phase = 'stopped';
    set('lmTransparency.traces.memoryMb');
    expect(sent).toHaveLength(2);
    telling.dispose();
  });
});
