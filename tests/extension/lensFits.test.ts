import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FIT_LENS } from '../../extension/shared/protocol';
import { fitItems } from '../../extension/src/commands/fitLens';
import { Failure, cancelled } from '../../extension/src/failure';
import { LensFits, type FitWorld } from '../../extension/src/models/lensFits';

const MODEL = { source: 'gpt2' };
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

interface Asked {
  params: object;
  options: Parameters<FitWorld['request']>[2];
  end(result: unknown): void;
  fail(error: unknown): void;
}

let asked: Asked[];
let memory: Map<string, unknown>;
let loaded: boolean;
const ended = vi.fn();
const failed = vi.fn();

function make(): LensFits {
  return new LensFits({
    request: (method, params, options) => {
      expect(method).toBe(FIT_LENS);
      return new Promise((end, fail) => {
        options.cancel.onCancellationRequested(() => fail(cancelled()));
        asked.push({ params, options, end, fail });
      });
    },
    isLoaded: (source) => loaded && source === 'gpt2',
    memory: {
      get: (key) => memory.get(key),
      update: (key, value) => Promise.resolve(void memory.set(key, value)),
    },
    ended,
    failed,
  });
}

const last = (): Asked => {
  const found = asked.at(-1);
  if (!found) throw new Error('nothing was asked');
  return found;
};

beforeEach(() => {
  [asked, memory, loaded] = [[], new Map(), true];
  ended.mockClear();
  failed.mockClear();
});

describe('the lens of a model that is fitted', () => {
  it('reports each sequence, and ends with the last', async () => {
    const fits = make();
    fits.start(MODEL, 32);
    expect(last().params).toEqual({ source: 'gpt2', sequences: 32 });
    expect(fits.current).toMatchObject({ source: 'gpt2', fitting: { sequences: 0, fraction: null } });
    last().options.onProgress({ message: '0 of 32 sequences, 5 min left', fraction: 0.1 });
    last().options.onPartial({ sequences: 8 });
    expect(fits.current?.fitting).toEqual({ message: '0 of 32 sequences, 5 min left', fraction: 0.1, sequences: 8 });
    last().end({ sequences: 32, changing: null });
    await turn();
    expect(fits.current).toBeNull();
    expect(ended).toHaveBeenCalledWith({ sequences: 32, changing: null });
    expect(memory.get('lensFit')).toBeUndefined();
  });

  it('goes on after its backend was lost, and after a reload, once its model is there', async () => {
    const fits = make();
    fits.start(MODEL, null);
    loaded = false;
    last().fail(new Failure('linkLost', 'The link was lost.'));
    await turn();
    expect([fits.current, failed.mock.calls.length]).toEqual([null, 0]);
    fits.resume();
    expect(asked).toHaveLength(1);
    loaded = true;
    fits.resume();
    fits.resume();
    expect(asked).toHaveLength(2);
    const next = make();
    next.resume();
    expect(last().params).toEqual({ source: 'gpt2', sequences: null });
  });

  it('is given up when it is stopped, and when the model cannot be fitted', async () => {
    const fits = make();
    fits.start(MODEL, 8);
    fits.stop();
    await turn();
    fits.resume();
    expect([asked.length, fits.current, failed.mock.calls.length]).toEqual([1, null, 0]);
    fits.start(MODEL, 8);
    const error = new Failure('modelUnsupported', 'No gradient.');
    last().fail(error);
    await turn();
    expect(failed).toHaveBeenCalledWith(error);
    fits.resume();
    expect(asked).toHaveLength(2);
  });

  it('makes room for the next one', async () => {
    const fits = make();
    fits.start(MODEL, 8);
    fits.start(MODEL, 32);
    await turn();
    expect(asked[0]?.options.cancel.isCancellationRequested).toBe(true);
    expect(fits.current).not.toBeNull();
    expect(asked).toHaveLength(2);
  });
});

describe('the sizes of a fit', () => {
  it('come with the time that is left for them', () => {
    const items = fitItems({ fitted: 2, sequenceSeconds: 9.3 });
    expect(items.map(({ label, description }) => [label, description])).toEqual([
      ['8 sequences', 'about 60 seconds'],
      ['32 sequences', 'about 5 minutes'],
      ['Until it settles', 'fewer than 5 % of its top tokens still change'],
    ]);
    expect(items[0]?.detail).toBe('2 are fitted');
    expect(fitItems({ fitted: 0, sequenceSeconds: 62 })[0]?.description).toBe('about 3 minutes');
  });
});
