import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Answer, Method, Question } from '../../extension/shared/webview';
import { recordedAnswers } from '../../webview/src/hosts/recorded';
import type { Recorded } from '../../webview/src/hosts/recorded';

const packed = (recorded: unknown[]): ArrayBuffer => new Uint8Array(gzipSync(JSON.stringify(recorded))).buffer;
const asked = (method: Method, params: object): Question => ({ method, params }) as unknown as Question;
const entry = (method: Method, params: object, answer: object): Recorded =>
  [method, { runId: 'made', ...params }, answer as Answer] as unknown as Recorded;

const node = { node: 'I1_2', topK: 30, updateK: 15, normalize: true };
const track = (token: number) => ({ token, text: `t${token}`, probability: [], logit: [], rank: [] });
const answer = recordedAnswers(
  packed([
    entry('lmTransparency/nodeTokens', node, { node: 'I1_2' }),
    entry('lmTransparency/attentionMap', { layer: 2, head: null, side: 384 }, { layer: 2 }),
    entry(
      'lmTransparency/promoted',
      { units: ['M1_2', 'M1_3'], topK: 3, normalize: true, behind: false },
      { units: [{ unit: 'M1_2' }, { unit: 'M1_3' }] },
    ),
    entry(
      'lmTransparency/lensTrack',
      { position: 3, tokens: [5, 7], texts: [], normalize: true, lens: 'logit' },
      { position: 3, tracks: [track(5), track(7)], notes: [] },
    ),
    entry(
      'lmTransparency/lensGrid',
      { token: 5, normalize: true, firstRow: 0, rowCount: null, lens: 'logit' },
      { token: 5, tokenRank: 'ranks', tokenProbability: 'probabilities', top: 'tokens' },
    ),
  ]),
);

describe('answers that a page brought along', () => {
  it('are found whichever run asks, and whether or not it says what is meant anyway', async () => {
    const found = { node: 'I1_2' };
    expect(await answer(asked('lmTransparency/nodeTokens', { runId: 'r2', ...node }))).toEqual(found);
    expect(await answer(asked('lmTransparency/nodeTokens', { runId: 'r2', node: 'I1_2', workDoneToken: 'x' }))).toEqual(
      found,
    );
    expect(await answer(asked('lmTransparency/attentionMap', { runId: 'r2', layer: 2 }))).toEqual({ layer: 2 });
  });

  it('are not those to another question', async () => {
    for (const other of [
      { ...node, node: 'I1_3' },
      { ...node, topK: 3 },
      { ...node, normalize: false },
    ])
      await expect(answer(asked('lmTransparency/nodeTokens', other))).rejects.toThrow('not among them');
    await expect(answer(asked('lmTransparency/attentionMap', { layer: 2, head: 1 }))).rejects.toThrow('VS Code');
  });

  it('about several units are put together from those that are there', async () => {
    const units = ['M1_3', 'M9_9', 'M1_2'];
    const question = asked('lmTransparency/promoted', { units, topK: 3, normalize: true, behind: true });
    expect(await answer(question)).toEqual({ units: [{ unit: 'M1_3' }, { unit: 'M1_2' }] });
    await expect(answer(asked('lmTransparency/promoted', { units: ['M9_9'] }))).rejects.toThrow('not among them');
  });

  it('about several tokens are in the order of the question, and all there', async () => {
    const params = { position: 3, normalize: true, lens: 'logit' };
    const found = await answer(asked('lmTransparency/lensTrack', { ...params, tokens: [7, 5] }));
    expect(found).toMatchObject({ position: 3, tracks: [{ token: 7 }, { token: 5 }] });
    await expect(answer(asked('lmTransparency/lensTrack', { ...params, tokens: [7, 9] }))).rejects.toThrow();
  });

  it('of the lens have its cells though another token is followed, whose figures are not known', async () => {
    const followed = await answer(asked('lmTransparency/lensGrid', { token: 5, normalize: true, lens: 'logit' }));
    expect(followed).toMatchObject({ token: 5, tokenRank: 'ranks' });
    const other = { token: null, tokenRank: null, tokenProbability: null, top: 'tokens' };
    expect(await answer(asked('lmTransparency/lensGrid', { token: 6 }))).toEqual(other);
    expect(await answer(asked('lmTransparency/lensGrid', {}))).toEqual(other);
  });
});
