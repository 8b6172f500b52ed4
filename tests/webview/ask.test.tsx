// @vitest-environment happy-dom
import { signal } from '@preact/signals';
import { render } from 'preact';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeTokensResult } from '../../extension/shared/protocol';
import type { Answer } from '../../extension/shared/webview';
import { createAsker, useLatest, useReply } from '../../webview/src/store/ask';
import { FakeHost } from './host';

const METHOD = 'lmTransparency/nodeTokens';
const tokensOf = (node: string): NodeTokensResult => ({
  node, top: [], update: { promoted: [], suppressed: [] }, lens: 'logit',
}); // prettier-ignore
const turn = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a question about a run', () => {
  let host: FakeHost;
  let run: string | null;
  beforeEach(() => {
    host = new FakeHost();
    run = 'run-1';
  });
  const asker = () => createAsker(host, () => run);

  it('carries the run, and is asked once while it is known', async () => {
    host.reply = () => Promise.resolve(tokensOf('I1_1'));
    const own = asker();
    own.entry(METHOD, { node: 'I1_1' })?.watch();
    await turn();
    const again = own.entry(METHOD, { node: 'I1_1' });
    again?.watch();
    expect(again?.reply.value).toEqual({ state: 'known', result: tokensOf('I1_1') });
    expect(host.askedBy(METHOD)).toEqual([{ node: 'I1_1', runId: 'run-1' }]);
    own.entry(METHOD, { node: 'I1_1', normalize: false })?.watch();
    run = 'run-2';
    own.entry(METHOD, { node: 'I1_1' })?.watch();
    expect(host.askedBy(METHOD)).toHaveLength(3);
    run = null;
    expect(own.entry(METHOD, { node: 'I1_1' })).toBe(null);
  });

  it('is given up when the last one who waits goes, and asked again for the next', async () => {
    let settle: (answer: Answer) => void = () => undefined;
    host.reply = () => new Promise((resolve) => (settle = resolve));
    const entry = asker().entry(METHOD, { node: 'I1_1' });
    const stops = [entry?.watch(), entry?.watch()];
    stops[0]?.();
    stops[0]?.();
    expect(host.givenUp).toHaveLength(0);
    stops[1]?.();
    expect(host.givenUp).toHaveLength(1);
    settle(tokensOf('late'));
    await turn();
    expect(entry?.reply.value.state).toBe('asking');
    entry?.watch();
    expect(host.asked).toHaveLength(2);
    settle(tokensOf('I1_1'));
    await turn();
    expect(entry?.reply.value).toEqual({ state: 'known', result: tokensOf('I1_1') });
  });

  it('shows how far it is, and the sentence of a failure', async () => {
    let fail: (error: Error) => void = () => undefined;
    host.reply = (_, { onProgress }) => {
      onProgress?.({ message: 'layer 3 of 30', fraction: 0.1 });
      return new Promise((_resolve, reject) => (fail = reject));
    };
    const entry = asker().entry(METHOD, { node: 'I1_1' });
    entry?.watch();
    expect(entry?.reply.value).toEqual({ state: 'asking', progress: { message: 'layer 3 of 30', fraction: 0.1 } });
    fail(new Error('The run has expired.'));
    await turn();
    expect(entry?.reply.value).toEqual({ state: 'failed', message: 'The run has expired.' });
  });

  it('keeps answers up to a weight, and forgets the one that was looked at longest ago', async () => {
    const map = (head: number) => {
      const array = { dtype: 'float32' as const, shape: [1, 1], data: 'x'.repeat(10_000) };
      const nothing = { dtype: 'uint32' as const, shape: [0, 0], data: '' };
      const at = { probabilityAt: nothing, contributionAt: nothing };
      return { layer: 1, head, side: 1, probability: array, contribution: array, ...at };
    };
    host.reply = ({ params }) => Promise.resolve(map((params as { head: number }).head));
    const own = createAsker(host, () => run, { mostKept: 60_000 });
    const look = async (head: number) => {
      own.entry('lmTransparency/attentionMap', { layer: 1, head })?.watch();
      await turn();
    };
    for (const head of [0, 1, 0, 2]) await look(head);
    // 0, 1 and 2 weigh more than is kept: 1 goes
    await look(3);
    expect(host.asked).toHaveLength(4);
    await look(0);
    expect(host.asked).toHaveLength(4);
    await look(1);
    expect(host.asked).toHaveLength(5);
  });
});

describe('a component that asks', () => {
  const root = document.createElement('div');
  let host: FakeHost;
  afterEach(() => render(null, root));
  beforeEach(() => {
    host = new FakeHost();
  });

  function storeOf(offline = signal<string | null>(null)) {
    return { asker: createAsker(host, () => 'run'), offline };
  }

  it('asks again when the backend is back, and gives up when it goes', async () => {
    const store = storeOf();
    host.reply = () => Promise.reject(new Error('gone'));
    const Asking = () => {
      const reply = useReply(store, METHOD, { node: 'I1_1' });
      return <p>{reply?.state === 'failed' ? reply.message : reply?.state}</p>;
    };
    render(<Asking />, root);
    await turn(40);
    expect(root.textContent).toBe('gone');
    expect(host.asked).toHaveLength(1);
    store.offline.value = 'The backend has stopped.';
    await turn(40);
    host.reply = () => Promise.resolve(tokensOf('I1_1'));
    store.offline.value = null;
    await turn(40);
    expect(root.textContent).toBe('known');
    const known = host.asked.length;
    store.offline.value = 'again';
    await turn(40);
    expect(host.asked).toHaveLength(known);
  });

  it('keeps the last answer until the next is there, and lets the old question go', async () => {
    const store = storeOf();
    const node = signal('I1_1');
    const answers = new Map<string, (answer: Answer) => void>();
    host.reply = ({ params }) =>
      new Promise((resolve) => answers.set((params as unknown as { node: string }).node, resolve));
    const Asking = () => {
      const { reply, latest } = useLatest(store, METHOD, { node: node.value });
      return <p>{`${reply?.state} ${latest?.node}`}</p>;
    };
    render(<Asking />, root);
    await turn(40);
    expect(root.textContent).toBe('asking undefined');
    answers.get('I1_1')?.(tokensOf('I1_1'));
    await turn(40);
    node.value = 'I2_2';
    await turn(40);
    expect(root.textContent).toBe('asking I1_1');
    node.value = 'I3_3';
    await turn(40);
    expect(host.givenUp.map((question) => (question.params as unknown as { node: string }).node)).toEqual(['I2_2']);
    answers.get('I3_3')?.(tokensOf('I3_3'));
    await turn(40);
    expect(root.textContent).toBe('known I3_3');
  });
});
