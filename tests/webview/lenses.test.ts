import { describe, expect, it } from 'vitest';
import type { LensesResult } from '../../extension/shared/protocol';
import { FakeHost, analysisMessage } from './host';
import { useLiveStore } from './liveStore';
import type { Store } from './liveStore';

const turn = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await Promise.resolve();
};

describe('the lens that reads', () => {
  let host: FakeHost;
  let store: Store;
  let found: LensesResult;
  useLiveStore((madeHost, madeStore) => {
    [host, store, found] = [madeHost, madeStore, { names: ['logit', 'jacobian'], sequences: 2 }];
    host.reply = (question) =>
      question.method === 'lmTransparency/lenses' ? Promise.resolve(found) : new Promise(() => undefined);
  });

  it('is the logit lens, and others are asked about only where they can be chosen', async () => {
    host.say(analysisMessage());
    expect(host.askedBy('lmTransparency/lenses')).toEqual([]);
    store.view.value = 'lens';
    await turn();
    expect(store.lenses.known.value).toEqual(found);
    expect(store.lenses.reading.value).toEqual({ normalize: true, lens: 'logit' });
    expect(host.askedBy('lmTransparency/lenses')).toHaveLength(1);
  });

  it('is kept with the view, and stays the logit lens for a model that has no other', async () => {
    host.say(analysisMessage({}, { lens: 'jacobian' }));
    await turn();
    expect(store.lenses.reading.value.lens).toBe('jacobian');
    found = { names: ['logit'], sequences: 0 };
    host.say(analysisMessage({ nTokens: 9 }, { lens: 'jacobian' }));
    await turn();
    expect(store.lenses.name.value).toBe('logit');
    expect(store.lenses.chosen.value).toBe('jacobian');
  });
});
