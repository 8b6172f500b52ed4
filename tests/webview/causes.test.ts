/** Which effects the store asks for by itself, when, and what it keeps. */
import { describe, expect, it, vi } from 'vitest';
import type { EffectsResult } from '../../extension/shared/protocol';
import type { ToWebview } from '../../extension/shared/webview';
import { useLiveStore } from './liveStore';
import type { Store } from './liveStore';
import { EffectsHost, predicted, runMessage } from './effectsHost';

let host: EffectsHost;
let store: Store;
useLiveStore(
  (...made) => ([host, store] = made),
  () => new EffectsHost(),
);

const PREDICT = 'lmTransparency/predictEffects';
const MEASURE = 'lmTransparency/measureEffects';
const FAITHFULNESS = 'lmTransparency/faithfulness';

const settled = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const say = (more: object, runId = 'r1'): void => host.say({ ...runMessage(runId), ...more } as ToWebview);
const asked = (): string[] => host.asked.map(({ method }) => method).filter((method) => /ffect|faith/.test(method));
const phase = (): string => store.causes.phase.value.kind;

/** `ms`: how long each answer is in coming. */
async function answerAll(ms = 2000): Promise<void> {
  await settled(2000);
  while (host.inFlight.length > 0) {
    host.answerOne();
    await settled(ms);
  }
}

/** What the host was told at last. */
async function told(): Promise<EffectsResult> {
  await settled(2000);
  const last = host.toldOf('effects').at(-1)?.effects;
  return last ?? expect.unreachable('effects were told');
}

describe('effects of a new analysis', () => {
  it('are predicted, then measured, then compared, and told at once when they are complete', async () => {
    say({});
    await settled();
    const about = { runId: 'r1', position: 5, target: null, contrast: null };
    expect(host.askedBy(PREDICT)).toMatchObject([{ ...about, behind: true }]);
    await answerAll(250);
    const names = asked();
    expect([names[0], names.at(-1)]).toEqual([PREDICT, FAITHFULNESS]);
    expect(names.slice(1, -1).every((name) => name === MEASURE)).toBe(true);
    expect(host.toldOf('effects')).toHaveLength(1);
    expect(await told()).toMatchObject({ position: 5, complete: true, faithfulness: { kept: 0.6 } });
    expect(host.toldOf('effects')).toHaveLength(1);
  });

  it('wait for the hands to rest where it follows typing', async () => {
    say({});
    await answerAll();
    host.asked.length = 0;
    host.say(runMessage('r2', { edited: true }));
    await settled(399);
    expect(asked()).toEqual([]);
    await settled(1);
    host.answerOne();
    await settled(1199);
    expect(asked()).toEqual([PREDICT]);
    await settled(1);
    expect(asked()).toEqual([PREDICT, MEASURE]);
  });

  it('are not asked for once more because of what changes nothing about them', async () => {
    say({});
    await settled();
    store.ink.value = 'local';
    store.ink.value = 'effect';
    store.select('I1_3');
    host.say({ type: 'filling', filling: { going: false, message: '', fraction: null } });
    host.say({ type: 'offline', offline: false, message: '' });
    await settled(2000);
    expect(asked()).toEqual([PREDICT]);
    expect(host.givenUp).toEqual([]);
  });

  it('are compared with the drawing that is there in the end', async () => {
    say({});
    await settled();
    while (host.inFlight[0]?.method !== FAITHFULNESS) {
      host.answerOne();
      await settled();
    }
    store.setThreshold(0.2);
    await settled(200);
    host.answerOne();
    await answerAll();
    expect(asked().filter((name) => name === FAITHFULNESS)).toHaveLength(2);
    expect(store.causes.faithfulness.value).not.toBeNull();
  });
});

describe('a host whose answers hold up the person’s own work', () => {
  it('is asked for nothing until someone asks, and then for all', async () => {
    Object.assign(host, { onlyWhenAsked: true });
    say({});
    await settled(5000);
    expect(asked()).toEqual([]);
    store.ink.value = 'effect';
    await answerAll();
    expect(asked()[0]).toBe(PREDICT);
    expect(asked()).toContain(MEASURE);
    expect(phase()).toBe('done');
  });
});

describe('the budget', () => {
  it('of nothing leaves effects to those who ask: predicted, not measured', async () => {
    say({ measured: 0 });
    await settled(5000);
    expect(asked()).toEqual([]);
    store.ink.value = 'effect';
    await answerAll();
    expect(asked()).toEqual([PREDICT]);
    expect(phase()).toBe('done');
    expect(await told()).toMatchObject({ complete: false, faithfulness: null });
  });

  it('counts at once when it changes', async () => {
    say({ measured: 0 });
    await settled(5000);
    host.say({ type: 'measured', measured: 60 });
    await answerAll();
    expect(asked()).toContain(MEASURE);
    const nAsked = asked().length;
    host.say({ type: 'measured', measured: 0 });
    store.setThreshold(0.002);
    await settled(5000);
    expect(asked()).toHaveLength(nAsked);
  });

  it('that comes back lets a failed measurement go on', async () => {
    say({});
    await settled();
    host.answerOne();
    await settled();
    host.say({ type: 'measured', measured: 0 });
    host.failOne();
    await settled();
    host.say({ type: 'measured', measured: 60 });
    await answerAll();
    expect(phase()).toBe('done');
    expect(asked().filter((name) => name === PREDICT)).toHaveLength(1);
  });
});

describe('a measurement that fails', () => {
  it('says why, and is tried again with another drawing', async () => {
    say({});
    await settled();
    host.answerOne();
    await settled();
    host.failOne();
    await settled(5000);
    expect(store.causes.phase.value).toEqual({ kind: 'failed', message: 'The backend stopped.' });
    expect(host.inFlight).toEqual([]);
    store.setThreshold(0.2);
    await answerAll();
    expect(phase()).toBe('done');
  });
});

describe('effects that were found before', () => {
  const { position, metric, units } = predicted({ runId: 'r1', position: 5 });
  const measured = units.map((unit) => ({ ...unit, how: 'mean', measured: 7 }));
  const effects: EffectsResult = {
    ...{ position, metric, units: measured, faithfulness: null, proof: { shareError: null }, notices: ['r1'] },
    ...{ timing: { forwardS: 0, backwardS: 0, measuredS: 0, nMeasured: 0 }, complete: true },
  };

  it('are shown without a question, in a window that comes back', async () => {
    say({ effects, measured: 0 });
    expect(store.causes.known.value?.units.get('M1_5')).toMatchObject({ measured: 7 });
    await settled(5000);
    expect(asked()).toEqual([]);
  });

  it('are completed by what is predicted when the ink wants to colour that, and keep what was measured', async () => {
    say({ effects });
    await answerAll();
    expect(asked()).not.toContain(PREDICT);
    store.ink.value = 'effect';
    await answerAll();
    expect(asked().filter((name) => name === PREDICT)).toHaveLength(1);
    expect(store.causes.known.value?.units.get('M1_5')).toMatchObject({ measured: 7, how: 'mean' });
    expect(store.causes.known.value?.edges.size).toBeGreaterThan(0);
  });

  it('do not ask again for blocks and tokens that took too long then', async () => {
    const some = measured.map((unit) => (unit.unit === 'M0_5' ? { ...unit, how: '', measured: null } : unit));
    say({ effects: { ...effects, units: some } });
    await answerAll();
    expect(JSON.stringify(host.askedBy(MEASURE))).not.toContain('M0_5');
    say({ effects: { ...effects, units: some, complete: false } }, 'r2');
    await answerAll();
    expect(JSON.stringify(host.askedBy(MEASURE))).toContain('M0_5');
  });

  it('of another token than the target are not taken for its own', async () => {
    say({ effects: { ...effects, position: 2 }, measured: 0 });
    await settled();
    expect(store.causes.known.value).toBeNull();
  });
});
