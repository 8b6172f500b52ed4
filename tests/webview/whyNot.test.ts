// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LensTrackParams, PredictEffectsParams } from '../../extension/shared/protocol';
import type { About, Answer, ToWebview } from '../../extension/shared/webview';
import type { SyntheticOptions } from '../../webview/dev/synthetic';
import { mount } from '../../webview/src/mount';
import { FakeHost, analysisMessage } from './host';
import { click, find, maybe, press, rows, selection, settled, text } from './panelDom';

const TEXTS: Record<string, number> = { ' Mary': 70_000, ' John': 70_001, s: 70_002 };

describe('why not another token?', () => {
  let host: FakeHost;
  let unmount: () => void;
  beforeEach(async () => {
    document.body.innerHTML = '<div id="root"></div>';
    host = new FakeHost();
    host.reply = ({ method, params }) => {
      if (method !== 'lmTransparency/lensTrack') return new Promise(() => undefined);
      const { position, tokens, texts = [] } = params as LensTrackParams;
      const wrong = texts.find((one) => TEXTS[one] === undefined);
      if (wrong !== undefined) return Promise.reject(new Error(`'${wrong}' splits into ' two' + ' words'.`));
      const ids = [...tokens, ...texts.map((one) => TEXTS[one] ?? 0)];
      const nameOf = (id: number) => Object.keys(TEXTS).find((one) => TEXTS[one] === id) ?? `token ${id}`;
      const tracks = ids.map((token) => ({
        ...{ token, text: nameOf(token), logit: [0, 1, 2, 3, token / 10_000] },
        ...{ probability: [0, 0, 0, 0, 0.002], rank: [9, 9, 9, 9, 4] },
      }));
      return Promise.resolve({
        position,
        tracks,
        notes: texts.includes('s') ? ["'s' is token #70002."] : [],
      } as Answer);
    };
    unmount = mount(document.getElementById('root') as HTMLElement, host);
    await settled(20);
  });
  afterEach(() => unmount());

  const show = async (about?: About, options: Partial<SyntheticOptions> = {}): Promise<void> => {
    host.say({ ...analysisMessage(options), ...(about && { about }) } as ToWebview);
    await settled();
  };
  const predicted = () => host.askedBy('lmTransparency/predictEffects') as PredictEffectsParams[];
  const marks = () => rows('predictions').map((row) => /(target|contrast ✓|vs)$/.exec(row)?.[1]);
  const versus = (at: number) =>
    find('predictions').querySelectorAll('li')[at]?.querySelector<HTMLElement>('button.versus');
  const enter = async (typed: string): Promise<void> => {
    const box = find('why-not') as HTMLInputElement;
    box.focus();
    box.value = typed;
    await press('Enter', box);
    await settled(60);
  };

  it('counts effects on the difference to a predicted token, and the lens follows it, until a second click', async () => {
    await show();
    expect(marks().slice(0, 3)).toEqual(['target', 'vs', 'vs']);
    await click(versus(2));
    const id = versus(2)?.dataset['contrast'];
    expect(predicted().at(-1)).toMatchObject({ target: null, contrast: `#${id}` });
    expect(marks().slice(0, 3)).toEqual(['target', 'vs', 'contrast ✓']);
    await settled();
    expect(text('contrast')).toContain('logit difference');
    await click(find('view-lens'));
    expect(text('follow-rival')).toBe(rows('predictions')[2]?.replace(/[\d.<]+%.*$/, ''));
    await click(versus(2));
    expect(predicted().at(-1)).toMatchObject({ contrast: null });
    expect(marks()).not.toContain('contrast ✓');
    expect(maybe('contrast')).toBeNull();
  });

  it('marks the target and the contrast that the file names, also where they are not predicted', async () => {
    await show({ target: ' Mary', contrast: ' John' });
    expect(rows('predictions').slice(-2)).toEqual(['·Mary0.2%target', '·John0.2%contrast ✓']);
    expect(marks()).not.toContain(undefined);
  });

  it('takes any other token by its text', async () => {
    await show();
    await enter(' John');
    expect(predicted().at(-1)).toMatchObject({ contrast: '#70001' });
    expect(rows('predictions').at(-1)).toBe('·John0.2%contrast ✓');
    await enter('s');
    expect(predicted().at(-1)).toMatchObject({ contrast: '#70002' });
    expect(text('why-not-note')).toBe("'s' is token #70002.");
    await enter(' John');
    expect(predicted().at(-1)).toMatchObject({ contrast: '#70001' });
  });

  it('says what is wrong with a text, keeps it, and leaves the question as it is', async () => {
    await show({ target: null, contrast: ' John' });
    const before = predicted().length;
    await enter(' two words');
    expect(text('why-not-said')).toContain("splits into ' two' + ' words'");
    expect((find('why-not') as HTMLInputElement).value).toBe(' two words');
    expect(predicted()).toHaveLength(before);
    await show({ target: ' Mary', contrast: null });
    await enter(' Mary');
    expect(text('why-not-said')).toBe('This is the target itself.');
  });

  it('is asked with v, from wherever the keyboard is', async () => {
    await show();
    await press('v', document.querySelector('.stage'));
    expect(document.activeElement).toBe(find('why-not'));
    find('twin').querySelector<HTMLElement>('button.route')?.click();
    await settled(40);
    expect(selection()).not.toBe('');
    await press('v');
    expect(selection()).toBe('');
    expect(document.activeElement).toBe(find('why-not'));
    // in the box it is a letter
    await press('v');
    expect(document.activeElement).toBe(find('why-not'));
  });

  it('is asked by the editor’s command, also where the graph has all the room', async () => {
    await show();
    await press('m', document.querySelector('.stage'));
    host.say({ type: 'whyNot' });
    await settled(40);
    expect(document.activeElement).toBe(find('why-not'));
  });

  it('is asked of labels, and not of a value', async () => {
    await show(undefined, { task: 'label' });
    expect(marks()).toEqual(['target', 'vs']);
    expect((find('why-not') as HTMLInputElement).placeholder).toBe('any other label');
    await show(undefined, { task: 'value' });
    expect(maybe('why-not')).toBeNull();
    expect(marks()).toEqual([undefined, undefined]);
  });
});
