import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pace } from '../../extension/src/live/pace';
import type { Outcome } from '../../extension/src/panel/analyses';

const runs: ((outcome: Outcome) => void)[] = [];
const idle = vi.fn();
let pace: Pace;

beforeEach(() => {
  vi.useFakeTimers();
  runs.length = 0;
  idle.mockClear();
  const run = () =>
    new Promise<Outcome>((resolve) => {
      runs.at(-1)?.('superseded');
      runs.push(resolve);
    });
  pace = new Pace(run, { delayMs: () => 80, patienceMs: 1000, now: Date.now, idle });
});
afterEach(() => vi.useRealTimers());

const type = async (keys: number, everyMs: number) => {
  for (let key = 0; key < keys; key++) {
    pace.touch();
    await vi.advanceTimersByTimeAsync(everyMs);
  }
};

it('analyzes once after keys that come faster than the delay', async () => {
  await type(10, 50);
  await vi.advanceTimersByTimeAsync(80);
  expect(runs).toHaveLength(1);
  runs[0]?.('shown');
  await vi.advanceTimersByTimeAsync(0);
  expect(pace.counts).toEqual({ started: 1, superseded: 0, shown: 1 });
  expect(idle).toHaveBeenCalledOnce();
});

it('ends a run for a newer one, but lets one come to its end when nothing was shown for a second', async () => {
  await type(30, 100);
  const started = runs.length;
  expect(started).toBe(10);
  expect(pace.counts).toMatchObject({ started, superseded: started - 1, shown: 0 });
  runs.at(-1)?.('shown');
  await vi.advanceTimersByTimeAsync(0);
  // of the keys meanwhile, one run
  expect(runs).toHaveLength(started + 1);
  runs.at(-1)?.('shown');
  await vi.advanceTimersByTimeAsync(0);
  expect(pace.counts).toEqual({ started: started + 1, superseded: started - 1, shown: 2 });
  expect(idle).toHaveBeenCalledOnce();
});

it('does nothing once it is stopped', async () => {
  pace.touch();
  pace.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(runs).toEqual([]);
});
