import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EFFECTS, NOTHING_SET } from './analyses_world';
import { ResultStore, type StoredResult } from '../../extension/src/panel/resultStore';

let folder: string;
beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(tmpdir(), 'lmt-results-')), 'results');
});
afterEach(() => rm(path.dirname(folder), { recursive: true, force: true }));

const result = (runId: string, size = 3): StoredResult => ({
  runId,
  uri: 'file:///p/ïoi.prompt',
  title: 'ïoi.prompt',
  asked: { source: '', dtype: 'auto' },
  place: { start: 0, end: 12, at: [0], from: [0], length: [12], digest: 'x' },
  settings: NOTHING_SET,
  isComparison: false,
  effects: null,
  payload: Uint8Array.from({ length: size }, (_, index) => index % 256),
});

describe('the result store', () => {
  it('gives back what it was given, in a buffer of just that size', async () => {
    const store = new ResultStore(folder);
    await store.put(result('run-1', 1000));
    const kept = await store.get('run-1');
    expect(kept).toEqual(result('run-1', 1000));
    expect(kept?.payload.buffer.byteLength).toBe(1000);
  });

  it('outlives its process', async () => {
    await new ResultStore(folder).put(result('a'));
    expect(await new ResultStore(folder).get('a')).toEqual(result('a'));
  });

  it('knows nothing of other runs', async () => {
    const store = new ResultStore(folder);
    expect(await store.get('none')).toBeNull();
    await store.put(result('a'));
    expect(await store.get('b')).toBeNull();
  });

  it('takes any run id, also one that looks like a path', async () => {
    const store = new ResultStore(folder);
    await store.put(result('../../evil'));
    expect(await store.get('../../evil')).not.toBeNull();
    expect(await readdir(path.dirname(folder))).toEqual(['results']);
  });

  it('keeps a bounded number, the newest', async () => {
    const store = new ResultStore(folder, { results: 3, bytes: 1e6 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      await store.put(result(id));
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    expect(await readdir(folder)).toHaveLength(3);
    expect(await store.get('b')).toBeNull();
    expect(await store.get('c')).not.toBeNull();
    expect(await store.get('e')).not.toBeNull();
  });

  it('keeps a bounded size, but always the newest', async () => {
    const store = new ResultStore(folder, { results: 20, bytes: 5000 });
    await store.put(result('a', 2000));
    await store.put(result('big', 9000));
    expect(await store.get('a')).toBeNull();
    expect(await store.get('big')).not.toBeNull();
  });

  it('a result that is looked at stays longer', async () => {
    const store = new ResultStore(folder, { results: 2, bytes: 1e6 });
    await store.put(result('a'));
    await store.put(result('b'));
    for (const name of await readdir(folder)) await utimes(path.join(folder, name), new Date(1000), new Date(1000));
    await store.get('a');
    await store.put(result('c'));
    expect(await store.get('a')).not.toBeNull();
    expect(await store.get('b')).toBeNull();
  });

  it('a torn or foreign file is no result', async () => {
    const store = new ResultStore(folder);
    await store.put(result('a', 100));
    const [name = ''] = await readdir(folder);
    for (const content of ['', 'LMT1', 'LMT1\xff\xff\xff\x7f{}', '{"runId":"a"}']) {
      await writeFile(path.join(folder, name), content, 'latin1');
      expect(await store.get('a')).toBeNull();
    }
    await store.put({ ...result('a'), place: { ...result('a').place, from: [] } });
    expect(await store.get('a')).toBeNull();
  });

  it('leaves no drafts behind', async () => {
    const store = new ResultStore(folder);
    await Promise.all(['a', 'b', 'c', 'a'].map((id) => store.put(result(id))));
    expect((await readdir(folder)).every((name) => name.endsWith('.run'))).toBe(true);
  });
});

describe('effects beside a stored run', () => {
  const other = { ...EFFECTS, position: 2, units: [] };
  const effectsFile = async () => (await readdir(folder)).find((name) => name.endsWith('.effects')) ?? '';

  it('come back with it, the latest of them, also in another process', async () => {
    const store = new ResultStore(folder);
    await store.put(result('a'));
    await Promise.all([store.putEffects('a', other), store.putEffects('a', EFFECTS)]);
    expect(await new ResultStore(folder).get('a')).toEqual({ ...result('a'), effects: EFFECTS });
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('are kept with a run that brings them, and stay when the run is put again without', async () => {
    const store = new ResultStore(folder);
    await store.put({ ...result('a'), effects: EFFECTS });
    await store.put(result('a', 9));
    expect(await store.get('a')).toEqual({ ...result('a', 9), effects: EFFECTS });
  });

  it('of a run that is not stored are not kept', async () => {
    const store = new ResultStore(folder);
    await store.putEffects('a', EFFECTS);
    await store.put(result('b'));
    await store.putEffects('a', EFFECTS);
    expect(await readdir(folder)).toHaveLength(1);
  });

  it('go with it, when it is dropped and when others take its place', async () => {
    const store = new ResultStore(folder, { results: 2, bytes: 1e6 });
    await store.put({ ...result('a'), effects: EFFECTS });
    await store.drop('a');
    expect(await readdir(folder)).toEqual([]);
    await store.put({ ...result('a'), effects: EFFECTS });
    for (const name of await readdir(folder)) await utimes(path.join(folder, name), new Date(1000), new Date(1000));
    await store.put({ ...result('b'), effects: EFFECTS });
    expect(await readdir(folder)).toHaveLength(4);
    await store.put(result('c'));
    expect(await readdir(folder)).toHaveLength(3);
    expect(await store.get('a')).toBeNull();
    expect((await store.get('b'))?.effects).toEqual(EFFECTS);
  });

  it('count for the size of it', async () => {
    const store = new ResultStore(folder, { results: 9, bytes: 3000 });
    const units = Array.from({ length: 100 }, () => EFFECTS.units).flat();
    await store.put({ ...result('a'), effects: { ...EFFECTS, units } });
    await store.put(result('b'));
    expect(await store.get('a')).toBeNull();
  });

  it.each(['', '{', 'null', JSON.stringify({ ...EFFECTS, units: [{}] })])(
    'that cannot be read are none: %j',
    async (text) => {
      const store = new ResultStore(folder);
      await store.put({ ...result('a'), effects: EFFECTS });
      await writeFile(path.join(folder, await effectsFile()), text);
      expect(await store.get('a')).toEqual(result('a'));
    },
  );

  it('that cannot be written leave those of before', async () => {
    const store = new ResultStore(folder);
    await store.put(result('a'));
    const [run = ''] = await readdir(folder);
    // a folder is in the way
    await mkdir(path.join(folder, run.replace('.run', '.effects')));
    await expect(store.putEffects('a', EFFECTS)).rejects.toThrow();
    expect(await readdir(folder)).toHaveLength(2);
    expect(await store.get('a')).toEqual(result('a'));
  });
});
