/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { describe, expect, it, vi } from 'vitest';
import type { Answer, ToWebview } from '../../extension/shared/webview';
import { packed, unpacked } from '../../webview/dev/synthetic';
import { decodeAnalysis, isComplete } from '../../webview/src/analysis/payload';
import { autoThreshold } from '../../webview/src/routes/auto';
import { computeRoutes } from '../../webview/src/routes/routes';
import type { FakeHost } from './host';
import { useLiveStore, type Store } from './liveStore';
import { sourceOfAnalysis } from './sources';

const SIZE = { nLayers: 5, nTokens: 14 };
const whole = decodeAnalysis(packed(unpacked(SIZE)));
const source = sourceOfAnalysis(whole);

/** The payload of an analysis that knows the rows which one target's routes reach from a threshold on. */
function partial(target: number, threshold: number): Uint8Array {
  const { reached } = computeRoutes(source, { target, threshold, renormalize: true });
  // row 0 of what is reached are the embeddings
  const known = Uint16Array.from(reached.subarray(SIZE.nTokens));
  const payload = unpacked(SIZE);
  const { columns } = payload;
  const { edgeLayer, edgeQuery, headOffset } = whole.columns;
  const edges = Array.from(edgeLayer.keys()).filter((e) => known[edgeLayer[e]! * SIZE.nTokens + edgeQuery[e]!]);
  const heads = edges.flatMap((e) =>
    Array.from({ length: headOffset[e + 1]! - headOffset[e]! }, (_, i) => headOffset[e]! + i),
  );
  const put = (name: keyof typeof whole.columns, values: Uint16Array | Uint32Array | Float32Array) =>
    (columns[name] = {
      dtype: values instanceof Uint16Array ? 'uint16' : values instanceof Uint32Array ? 'uint32' : 'float32',
      shape: [values.length],
      data: new Uint8Array(values.buffer),
    });
  put(
    'edgeLayer',
    Uint16Array.from(edges, (e) => edgeLayer[e]!),
  );
  put(
    'edgeQuery',
    Uint32Array.from(edges, (e) => edgeQuery[e]!),
  );
  put(
    'edgeKey',
    Uint32Array.from(edges, (e) => whole.columns.edgeKey[e]!),
  );
  put(
    'edgeWeight',
    Float32Array.from(edges, (e) => whole.columns.edgeWeight[e]!),
  );
  put(
    'headIndex',
    Uint16Array.from(heads, (i) => whole.columns.headIndex[i]!),
  );
  put(
    'headWeight',
    Float32Array.from(heads, (i) => whole.columns.headWeight[i]!),
  );
  const offsets = [0];
  for (const e of edges) offsets.push(offsets.at(-1)! + headOffset[e + 1]! - headOffset[e]!);
  put('headOffset', Uint32Array.from(offsets));
  for (const name of ['attentionResidual', 'attentionBias', 'ffn', 'ffnResidual'] as const)
    put(
      name,
      whole.columns[name].map((value, row) => (known[row] ? value : 0)),
    );
  put('known', known);
  payload.meta.predicted = payload.meta.predicted.map((texts, t) => (t === payload.meta.target ? texts : []));
  return packed(payload);
}

const message = (payload: Uint8Array): ToWebview => ({
  type: 'analysis',
  runId: whole.meta.runId,
  title: 't',
  payload: payload.slice().buffer,
  view: null,
});

const LAST = SIZE.nTokens - 1;
const AUTO = autoThreshold(source, LAST, true);
let host: FakeHost;
let store: Store;
useLiveStore((...made) => ([host, store] = made));

const mass = () => Array.from(store.routes.value?.mass ?? []);
const massOf = (target: number, threshold: number) =>
  Array.from(computeRoutes(source, { target, threshold, renormalize: true }).mass);

describe('a first graph', () => {
  it('is the whole one, at its own threshold and above, and asks for nothing', () => {
    host.say(message(partial(LAST, AUTO - 2e-4)));
    expect(store.analysis.value && isComplete(store.analysis.value)).toBe(false);
    expect(store.tau.value).toBe(AUTO);
    expect([store.open.value, mass()]).toEqual([false, massOf(LAST, AUTO)]);
    store.setThreshold(0.08);
    expect([store.open.value, mass()]).toEqual([false, massOf(LAST, 0.08)]);
    vi.advanceTimersByTime(1000);
    expect(host.askedBy('lmTransparency/reach')).toEqual([]);
  });

  it('is filled in without moving what one looks at', () => {
    host.say(message(partial(LAST, AUTO - 2e-4)));
    store.select(`I2_${LAST}`);
    store.hover.value = 'I1_3';
    const before = mass();
    host.say({ type: 'filling', filling: { going: true, message: 'layer 2', fraction: 0.3 } });
    expect(store.filling.value?.fraction).toBe(0.3);
    host.say(message(packed(unpacked(SIZE))));
    expect(store.analysis.value && isComplete(store.analysis.value)).toBe(true);
    expect([store.selection.value, store.hover.value, store.filling.value]).toEqual([`I2_${LAST}`, 'I1_3', null]);
    expect(mass()).toEqual(before);
    store.setTarget(3);
    expect(store.open.value).toBe(false);
  });

  it('asks for another target at once, and only once for each wish', async () => {
    const wanted = autoThreshold(source, 6, true);
    host.reply = () => {
      const payload = Buffer.from(partial(6, wanted - 2e-4)).toString('base64');
      return Promise.resolve({ payload } as Answer);
    };
    host.say(message(partial(LAST, AUTO - 2e-4)));
    store.setTarget(6);
    expect(store.open.value).toBe(true);
    await vi.advanceTimersByTimeAsync(500);
    const params = { runId: whole.meta.runId, target: 6, threshold: 0, renormalize: true, topK: 10 };
    expect(host.askedBy('lmTransparency/reach')).toEqual([params]);
    expect([store.open.value, store.tau.value, mass()]).toEqual([false, wanted, massOf(6, wanted)]);
    // an answer that does not help is not asked for again and again
    store.setThreshold(0.02);
    store.setTarget(LAST - 1);
    await vi.advanceTimersByTimeAsync(500);
    expect(host.askedBy('lmTransparency/reach')).toHaveLength(2);
    expect(host.askedBy('lmTransparency/reach')[1]).toMatchObject({ target: LAST - 1, threshold: 0.02 });
    expect(store.open.value).toBe(true);
  });

  it('says why rows are missing when they cannot be computed', async () => {
    host.reply = () => Promise.reject(new Error('Too long.'));
    host.say(message(partial(LAST, AUTO - 2e-4)));
    store.setTarget(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(store.filling.value).toEqual({ going: false, message: 'Too long.', fraction: null });
    expect(host.askedBy('lmTransparency/reach')).toHaveLength(1);
  });
});
