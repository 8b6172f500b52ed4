// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LensTrack, LensTrackParams } from '../../extension/shared/protocol';
import type { Answer, ToWebview } from '../../extension/shared/webview';
import { mount } from '../../webview/src/mount';
import { FakeHost, analysisMessage } from './host';

let host: FakeHost;
let unmount: () => void;

beforeEach(() => {
  document.body.innerHTML = '<div id="root"></div>';
  const root = document.getElementById('root');
  if (!root) throw new Error('no root');
  host = new FakeHost();
  unmount = mount(root, host);
});

afterEach(() => unmount());

const settled = (ms = 150): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const answered = (): Promise<void> =>
  vi.waitFor(() => expect(document.querySelectorAll('.inspector [aria-busy]')).toHaveLength(0), { timeout: 3000 });
const find = (id: string): HTMLElement => {
  const element = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
  if (!element) throw new Error(`no ${id} in the panel`);
  return element;
};
const rows = (id: string): string[] =>
  [...document.querySelectorAll(`[data-testid="${id}"] li`)].map((row) => row.textContent ?? '');

describe('the tokens that a prompt file asks about', () => {
  const track = (token: number, text: string, logit: number[]): LensTrack => ({
    token, text, logit, probability: logit.map((value) => 0.01 * value), rank: logit.map(() => 3),
  }); // prettier-ignore
  const about = (target: string | null, contrast: string | null) => {
    host.reply = ({ method, params }) => {
      if (method !== 'lmTransparency/lensTrack') return new Promise(() => undefined);
      const { position, texts = [] } = params as LensTrackParams;
      if (texts.includes(' two words')) return Promise.reject(new Error("It splits into ' two' + ' words'."));
      const logits = { s: [0, 1], ' Mary': [0, 1, 4, 4.5, 9], ' John': [0, 2, 1, 3, 7] };
      const tracks = texts.map((text, k) => track(70 + k, text, logits[text as keyof typeof logits]));
      return Promise.resolve({
        position,
        tracks,
        notes: texts.includes('s') ? ["'s' is taken for token #70 ('s'), and not token #71 (' s')."] : [],
      } as Answer);
    };
    host.say({ ...analysisMessage(), about: { target, contrast } } as ToWebview);
    return settled().then(answered);
  };

  it('are compared: probabilities, odds, and the layers that make the difference', async () => {
    await about(' Mary', ' John');
    expect(host.askedBy('lmTransparency/lensTrack')).toMatchObject([
      { position: 7, tokens: [], texts: [' Mary', ' John'] },
    ]);
    expect(rows('named')).toEqual(['·Mary9%', '·John7%']);
    expect(find('contrast').textContent).toBe('logit difference +2.0: ·Mary is 7.39 times as probable as ·John');
    // of +3, −1 and the like the largest first
    expect(rows('contrast-layers')).toEqual(['layer 1+4.0', 'layer 2−1.5', 'layer 0−1.0', 'layer 3+0.5']);
    const inks = [...find('contrast-layers').querySelectorAll('.fill')].map((fill) => fill.classList[1]);
    expect(inks).toEqual(['supports', 'opposes', 'opposes', 'supports']);
    find('contrast-layers').querySelector('button')?.click();
    await settled();
    expect(find('inspector').dataset['selection']).toBe('I1_7');
  });

  it('are followed in the Lens view, until another one is chosen there', async () => {
    await about(' Mary', ' John');
    find('view-lens').click();
    await settled();
    expect(find('follow-target').textContent).toBe('·Mary');
    expect(find('follow-rival').textContent).toBe('·John');
  });

  it('say how they split if they are not a single token', async () => {
    await about(' two words', null);
    expect(find('inspector').textContent).toContain("It splits into ' two' + ' words'.");
  });

  it('say which token they are if there are several', async () => {
    await about('s', null);
    expect(find('named-note').textContent).toBe("'s' is taken for token #70 ('s'), and not token #71 (' s').");
    await about(' Mary', null);
    expect(document.querySelector('[data-testid=named-note]')).toBeNull();
  });

  it('are not there where nothing is named', async () => {
    await about(null, null);
    expect(host.askedBy('lmTransparency/lensTrack')).toEqual([]);
    expect(document.querySelector('[data-testid=named]')).toBeNull();
  });
});
