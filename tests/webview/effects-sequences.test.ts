/** Whatever happens in whatever order, effects are asked for one question at a time, once, and of what is shown. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { randomNumbers } from '../../webview/dev/numbers';
import { toMeasure } from '../../webview/src/effects/plan';
import type { DrawnEdge } from '../../webview/src/effects/plan';
import { createStore } from '../../webview/src/store/state';
import { EffectsHost, runMessage } from './effectsHost';

const SEQUENCES = 200;
const ACTS = 30;
const TOKENS = 6;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A store with its host, and how often each unit of each metric was measured. */
function begin(random: () => number) {
  const host = new EffectsHost();
  const store = createStore(host);
  const stop = store.live();
  const measured = new Map<string, number>();
  let runs = 0;

  const below = (n: number): number => Math.floor(random() * n);
  const key = (): string => JSON.stringify(store.causes.metric.value);
  const answer = (most?: number): void => {
    const about = key();
    for (const unit of host.answerOne(most)) measured.set(about + unit, (measured.get(about + unit) ?? 0) + 1);
  };
  const show = (edited: boolean): void => host.say(runMessage(`r${++runs}`, { nTokens: TOKENS, seed: runs, edited }));
  const offline = (isOff: boolean): void => host.say({ type: 'offline', offline: isOff, message: isOff ? 'gone' : '' });

  const acts: (() => void)[] = [
    () => show(false),
    () => show(true),
    () => store.setTarget(below(TOKENS)),
    () => store.causes.setContrast(random() < 0.3 ? null : `#${1 + below(3)}`),
    () => store.setThreshold(random() < 0.3 ? 'auto' : 0.01 + random() * 0.3),
    () => (store.renormalize.value = random() < 0.5),
    () => (store.ink.value = (['flow', 'local', 'effect'] as const)[below(3)] ?? 'flow'),
    () => offline(random() < 0.5),
    () => host.say({ type: 'measured', measured: [0, 3, 60][below(3)] ?? 0 }),
    ...[1, 2, 3, 4].map(() => () => answer()),
    ...[1, 2].map(() => () => answer(1 + below(4))),
    () => host.failOne(),
    ...[50, 500, 1500].map((ms) => () => vi.advanceTimersByTime(ms)),
  ];
  const act = (): void => acts[below(acts.length)]?.();
  return { host, store, stop, measured, show, offline, answer, act, key };
}

type World = ReturnType<typeof begin>;

const settled = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function holds({ host, store }: World): void {
  const { metric, known } = store.causes;
  expect(host.inFlight.length).toBeLessThanOrEqual(1);
  for (const { params } of host.inFlight) expect(params).toMatchObject(metric.value ?? { runId: null });
  if (!known.value) return;
  const { runId, position, target, contrast } = metric.value ?? {};
  const { metric: found, position: at, notices } = known.value;
  const named = (id: number | undefined) => (id ? `#${id}` : null);
  expect([notices[0], at, named(found.target.id), named(found.contrast?.id)]).toEqual(
    [runId, position, target, contrast], // prettier-ignore
  );
}

function drawnIn({ analysis, settledRoutes }: World['store']): DrawnEdge[] {
  const [run, routes] = [analysis.value, settledRoutes.value];
  if (!run || !routes) return [];
  const { edgeLayer, edgeQuery, edgeKey } = run.columns;
  const at = (e: number) => ({ layer: edgeLayer[e] ?? 0, query: edgeQuery[e] ?? 0, key: edgeKey[e] ?? 0 });
  return Array.from(routes.kept, (e, i) => ({ ...at(e), flow: routes.keptFlow[i] ?? 0 }));
}

/** Everything is answered, and nothing else happens. */
async function quiet(world: World): Promise<void> {
  const { host, store, answer, offline } = world;
  offline(true);
  await settled();
  offline(false);
  host.say({ type: 'measured', measured: 60 });
  await settled(3000);
  for (let asked = 0; asked < 100 && host.inFlight.length > 0; asked++) {
    answer();
    await settled(3000);
    holds(world);
  }
  expect(host.inFlight).toEqual([]);
  expect(store.causes.phase.value).toEqual({ kind: 'done' });
}

describe('effects behind the drawing', () => {
  it.each(Array.from({ length: SEQUENCES }, (_, seed) => seed))('hold in sequence %i', async (seed) => {
    const world = begin(randomNumbers(seed * 977 + 13));
    const { host, store, stop, measured, show, act, key } = world;
    show(false);
    for (let n = 0; n < ACTS; n++) {
      act();
      holds(world);
      await settled();
      holds(world);
    }
    await quiet(world);
    const known = store.causes.known.value;
    if (!known) return expect.unreachable('effects are known');
    expect(toMeasure(known, drawnIn(store), 60)).toEqual([]);
    const units = [...known.units.values()].filter(({ how }) => how !== '').map(({ unit }) => unit);
    expect(units.map((unit) => measured.get(key() + unit))).toEqual(units.map(() => 1));
    expect(Math.max(...measured.values())).toBe(1);
    expect(store.causes.faithfulness.value).not.toBeNull();
    expect(host.toldOf('effects').at(-1)).toMatchObject({ runId: known.notices[0], effects: { complete: true } });

    act();
    stop();
    const [told, asked] = [host.told.length, host.asked.length];
    expect(host.inFlight).toEqual([]);
    await settled(5000);
    expect(host.asked.slice(asked)).toEqual([]);
    expect([host.told.length, host.asked.length]).toEqual([told, asked]);
  });
});
