/** Questions that a panel asks by itself: how many it may ask, and what becomes of them when something ends. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ANALYZE } from '../../extension/shared/protocol';
import { Failure } from '../../extension/src/failure';
import { EFFECTS, newWorld, reply, settle, type World } from './analyses_world';
import { FakeWebviewPanel } from './vscode.fake';

let world: World;
let fake: FakeWebviewPanel;

/** A world in which a run is shown. */
async function shown(): Promise<void> {
  world = newWorld();
  const { done, fake: page } = await world.begin('Hi');
  world.backend.requests[0]?.resolve(reply('r1', 'Hi'));
  await done;
  if (page) fake = page;
  world.backend.requests.length = 0;
}

beforeEach(shown);

const MEASURE = 'lmTransparency/measureEffects';
const params = (runId = 'r1') => ({ runId, position: 0, target: null, behind: true, units: ['X0_0'] });
const ask = (id: number, page = fake): void =>
  page.says({ type: 'ask', id, question: { method: MEASURE, params: params() } });
const budgets = (page = fake): unknown[] =>
  (page.sent as { type: string; measured?: number }[]).filter(({ measured }) => measured !== undefined).map((m) => m.measured); // prettier-ignore
const answers = (page = fake): unknown[] => (page.sent as { type: string }[]).filter(({ type }) => type === 'answer');
/** As whenever the backend's state changes. */
const heed = (): void => world.panels.all().forEach((panel) => panel.showMeasured());
const restarts = async (id: number): Promise<void> => {
  world.backend.sessionId = null;
  for (const { reject } of world.backend.requests.splice(0)) reject(new Failure('backendStopped', 'It stopped.'));
  heed();
  await settle();
  world.backend.sessionId = id;
  heed();
};

describe('what a panel measures by itself', () => {
  it('is as much as is set, at once', () => {
    expect(budgets()).toEqual([60]);
    world.set['effects.measure'] = 0;
    heed();
    world.set['effects.measure'] = 200;
    heed();
    expect(budgets()).toEqual([60, 0, 200]);
  });

  it('is nothing in a window that comes back, until something is asked', async () => {
    const before = world.kept;
    world = newWorld();
    world.kept.push(...before);
    const back = new FakeWebviewPanel();
    const view = { runId: 'r1', target: 0, threshold: 'auto', renormalize: true, ink: 'flow', selection: null };
    await world.panels.deserializeWebviewPanel(back as never, view);
    back.says({ type: 'ready' });
    expect(budgets(back)).toEqual([0]);
    ask(1, back);
    await settle();
    world.backend.requests[0]?.resolve(reply('r7', 'Hi'));
    await settle();
    expect(budgets(back)).toEqual([0, 60]);
    back.says({ type: 'ready' });
    expect(budgets(back)).toEqual([0, 60, 60]);
  });

  it('goes on after a restart, with the run analyzed once more', async () => {
    ask(1);
    await settle();
    await restarts(2);
    expect(answers()).toEqual([{ type: 'answer', id: 1, answer: null, error: 'It stopped.' }]);
    expect(budgets()).toEqual([60, 0, 60]);
    ask(2);
    await settle();
    expect(world.backend.requests).toMatchObject([{ method: ANALYZE, params: { prompt: 'Hi' } }]);
    world.backend.requests[0]?.resolve(reply('r9', 'Hi'));
    await settle();
    const { target: _, ...asked } = params('r9');
    expect(world.backend.requests[1]).toMatchObject({ method: MEASURE, params: asked });
    world.backend.requests[1]?.resolve({ units: [], notices: [] });
    await settle();
    expect(answers().at(-1)).toEqual({ type: 'answer', id: 2, answer: { units: [], notices: [] }, error: null });
  });

  it('ends where the backend has unloaded the run meanwhile, until something is asked', async () => {
    ask(1);
    await settle();
    world.backend.requests[0]?.reject(new Failure('runExpired', 'Gone.'));
    await settle();
    expect(world.backend.requests).toHaveLength(1);
    expect(budgets()).toEqual([60, 0]);
    expect(answers()).toMatchObject([{ id: 1, error: expect.stringContaining('no longer holds') as string }]);
    fake.says({ type: 'ask', id: 2, question: { method: MEASURE, params: { ...params(), behind: false } } });
    await settle();
    world.backend.requests[1]?.resolve(reply('r9', 'Hi'));
    await settle();
    expect(world.backend.requests[2]).toMatchObject({ method: MEASURE, params: { runId: 'r9' } });
    expect(budgets()).toEqual([60, 0, 60]);
  });

  it('asks nothing of a backend that stays away', async () => {
    world.backend.sessionId = null;
    heed();
    fake.says({ type: 'ready' });
    expect(budgets()).toEqual([60, 0, 0]);
    await settle();
    expect(world.backend.requests).toEqual([]);
  });

  it.each([
    ['the page gives it up', () => fake.says({ type: 'giveUp', id: 1 })],
    ['the page goes away', () => fake.says({ type: 'ready' })],
    ['the panel is closed', () => fake.dispose()],
  ])('ends in the backend when %s', async (_, happens) => {
    ask(1);
    await settle();
    const { cancel } = world.backend.requests[0]?.options ?? {};
    expect(cancel?.isCancellationRequested).toBe(false);
    happens();
    expect(cancel?.isCancellationRequested).toBe(true);
    await settle();
    expect(answers()).toEqual([]);
  });

  it('ends the analysis that it waits for, when nobody else does', async () => {
    await restarts(2);
    ask(1);
    await settle();
    const [revival] = world.backend.requests;
    fake.says({ type: 'giveUp', id: 1 });
    await settle();
    expect(revival?.method).toBe(ANALYZE);
    expect(revival?.options.cancel?.isCancellationRequested).toBe(true);
  });

  it('is no analysis that the status bar shows', async () => {
    const changed = vi.fn();
    world.analyses.changed.listen(changed);
    ask(1);
    await settle();
    world.backend.requests[0]?.options.onProgress?.({ message: 'Looking into the analysis', fraction: null });
    world.backend.requests[0]?.resolve({ units: [], notices: [] });
    await settle();
    expect(changed).not.toHaveBeenCalled();
  });

  it('is kept with a run that was typed, once the hands rest', async () => {
    vi.useFakeTimers();
    try {
      const following = world.follow('Hi there');
      await vi.advanceTimersByTimeAsync(0);
      world.backend.requests[0]?.resolve(reply('r2', 'Hi there'));
      await following;
      fake.says({ type: 'effects', runId: 'r2', effects: EFFECTS });
      await vi.advanceTimersByTimeAsync(5000);
      expect(world.kept.at(-1)).toMatchObject({ runId: 'r2', effects: EFFECTS });
    } finally {
      vi.useRealTimers();
    }
  });
});
