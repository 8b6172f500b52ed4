/** Shares take a pass of their own: in a long prompt they wait until tokens are measured. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { signal } from '@preact/signals';
import type { PredictEffectsParams, PredictEffectsResult } from '../../extension/shared/protocol';
import type { Answer, Question } from '../../extension/shared/webview';
import { createMeasuring } from '../../webview/src/effects/measuring';
import type { Host } from '../../webview/src/hosts/host';
import { floatsOf, predicted, unitOf } from './effectsHost';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/**
 * The methods asked for a prompt of so many tokens, with the first unit of each, and what was known in the end. Each
 * question takes so many milliseconds, and measures so many units.
 */
async function asked(position: number, eachMs = 0, atOnce = 20) {
  const log: string[] = [];
  let time = 0;
  const answer = ({ method, params }: Question): Answer => {
    if (method === 'lmTransparency/faithfulness') return { n: 1, sign: 1, rho: 1, kept: 1, removed: 0 };
    if (method === 'lmTransparency/predictEffects') {
      const { shares } = params as PredictEffectsParams;
      log.push(shares ? 'predict with shares' : 'predict');
      const found: PredictEffectsResult = predicted({ runId: 'r', position });
      const numbers = floatsOf(Array.from({ length: position + 1 }, (_, i) => i));
      return { ...found, tokens: numbers, shares: shares ? numbers : null };
    }
    const { units } = params as { units: string[] };
    time += eachMs;
    log.push(`measure ${unitOf(units[0] ?? '').kind}`);
    return {
      units: units.slice(0, atOnce).map((unit) => ({ ...unitOf(unit), how: 'zero', measured: 1 })),
      notices: [],
    };
  };
  const host = { ask: (question: Question) => Promise.resolve(answer(question)) } as unknown as Host;
  const about = { runId: 'r', position, target: null, contrast: null };
  const inputs = {
    wish: signal({ about, able: true, predictAfter: 0, measureAfter: 0, asked: false }),
    drawn: signal({ edges: [], threshold: 0.1, renormalize: true }),
    most: signal(60),
    inked: signal(false),
  };
  const measuring = createMeasuring(host, inputs, () => time);
  const stop = measuring.live();
  await vi.advanceTimersByTimeAsync(10);
  stop();
  return { log, known: measuring.known.value };
}

test('in a short prompt they come with the prediction', async () => {
  const { log, known } = await asked(5);
  expect(log.filter((line) => line.startsWith('predict'))).toEqual(['predict with shares']);
  expect(known?.shares).toHaveLength(6);
});

test('in a long prompt edges and blocks are measured before, and nothing twice', async () => {
  const { log, known } = await asked(300);
  expect(log[0]).toBe('predict');
  const [shares, tokens, blocks] = ['predict with shares', 'measure token', 'measure ffn'].map((line) =>
    log.indexOf(line),
  );
  expect(shares).toBeGreaterThan(blocks ?? -1);
  expect(tokens).toBe((shares ?? 0) + 1);
  expect(log.filter((line) => line === 'measure ffn')).toHaveLength(1);
  expect(known?.shares).toHaveLength(301);
  expect([...(known?.units.values() ?? [])].filter(({ measured }) => measured !== null).length).toBeGreaterThan(60);
});

test('where blocks take all the time that slow units have, shares are asked for all the same, once', async () => {
  const { log, known } = await asked(300, 20_000);
  expect(log.filter((line) => line === 'measure token')).toEqual([]);
  expect(log.filter((line) => line === 'predict with shares')).toHaveLength(1);
  expect(known?.shares).toHaveLength(301);
});

test('half of the time that slow units have is for tokens', async () => {
  const { log } = await asked(300, 3000, 1);
  const times = (line: string) => log.filter((one) => one === line).length;
  // of ten seconds: a third block would have the tokens wait
  expect(times('measure ffn')).toBe(2);
  expect(times('measure token')).toBe(2);
});
