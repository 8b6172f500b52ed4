import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keepListening, silenceFrom } from '../../extension/src/link/heartbeat';

describe('a link', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const listen = (answers: () => boolean, isOver = () => false) => {
    let heardAt = Date.now();
    const seen = { pings: 0, silences: [] as number[] };
    const sendRequest = () => {
      seen.pings += 1;
      if (answers()) heardAt = Date.now();
      return answers() ? Promise.resolve(null) : Promise.reject(new Error('gone'));
    };
    const heard = { heardAt: () => heardAt, silenceS: 20 };
    keepListening({ sendRequest }, heard, isOver, (seconds) => seen.silences.push(seconds));
    return seen;
  };

  it('is pinged four times per time limit, and kept while it answers', async () => {
    const seen = listen(() => true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual({ pings: 12, silences: [] });
  });

  it('is given up once after silence, within a quarter more than the time limit', async () => {
    let answers = true;
    const seen = listen(() => answers);
    await vi.advanceTimersByTimeAsync(10_000);
    answers = false;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(seen.silences).toEqual([25]);
  });

  it('is not pinged after it has ended', async () => {
    const seen = listen(
      () => false,
      () => true,
    );
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual({ pings: 0, silences: [] });
  });

  it('has the patience of a variable that is a number', () => {
    expect(['6', '0.5', '', undefined, 'x', '-1', '0', 'Infinity'].map(silenceFrom)).toEqual([
      6, 0.5, 20, 20, 20, 20, 20, 20,
    ]);
  });
});
