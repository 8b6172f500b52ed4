import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NOTHING_SET } from './analyses_world';
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
