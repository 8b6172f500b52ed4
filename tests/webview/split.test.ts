// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LEAST_SHARE, MOST_SHARE, createArrangement } from '../../webview/src/layout/arrangement';
import { mount } from '../../webview/src/mount';
import { FakeHost, analysisMessage } from './host';
import { press, settled } from './panelDom';

const find = (id: string): HTMLElement => document.querySelector(`[data-testid="${id}"]`) as HTMLElement;
const body = (): HTMLElement => document.querySelector('.body') as HTMLElement;

describe('the arrangement', () => {
  it('keeps both parts visible however far the line is dragged', () => {
    const arrangement = createArrangement();
    arrangement.divide(-3);
    expect(arrangement.share.value).toBe(LEAST_SHARE);
    arrangement.divide(2);
    expect(arrangement.share.value).toBe(MOST_SHARE);
  });

  it('maximizes one part, the other instead, and restores', () => {
    const arrangement = createArrangement();
    arrangement.toggle('graph');
    arrangement.toggle('inspector');
    expect(arrangement.maximized.value).toBe('inspector');
    arrangement.toggle('inspector');
    expect(arrangement.maximized.value).toBe(null);
  });
});

describe('the inspector', () => {
  const at = (width: number) => {
    const arrangement = createArrangement();
    arrangement.width.value = width;
    return arrangement;
  };

  it.each([
    [0, false],
    [600, true],
    [1099, true],
    [1100, false],
    [1440, false],
  ])('stands by the width: below in a panel of %i pixels is %s', (width, stacked) => {
    expect(at(width).isStacked.value).toBe(stacked);
  });

  it.each([
    [1040, 560, false],
    [1040, 600, true],
    [759, 560, true],
  ])('stands beside in a low panel: below in one of %i × %i is %s', (width, height, stacked) => {
    const arrangement = at(width);
    arrangement.height.value = height;
    expect(arrangement.isStacked.value).toBe(stacked);
  });

  it('stands where the user has put it, at any width, until it is put back', () => {
    const arrangement = at(900);
    arrangement.divide(0.4);
    arrangement.turn();
    expect([arrangement.isStacked.value, arrangement.share.value]).toEqual([false, null]);
    arrangement.width.value = 600;
    expect(arrangement.isStacked.value).toBe(false);
    arrangement.turn();
    expect(arrangement.kept.value.place).toBe('auto');
    arrangement.width.value = 1440;
    expect(arrangement.isStacked.value).toBe(false);
    arrangement.turn();
    expect(arrangement.isStacked.value).toBe(true);
  });

  it('is restored as it was kept', () => {
    const arrangement = at(1440);
    const layout = { place: 'below', share: 0.3, maximized: 'inspector' } as const;
    arrangement.restore(layout);
    expect(arrangement.kept.value).toEqual(layout);
  });
});

describe('graph and inspector', () => {
  let unmount: () => void;
  let host: FakeHost;
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    host = new FakeHost();
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled();
    host.say(analysisMessage());
    await settled(150);
  });
  afterEach(() => unmount());

  it('are resized with the arrow keys, and reset with Enter', async () => {
    const splitter = find('splitter');
    expect(splitter.getAttribute('role')).toBe('separator');
    const before = Number(splitter.getAttribute('aria-valuenow'));
    await press('ArrowRight', splitter);
    expect(Number(splitter.getAttribute('aria-valuenow'))).toBe(before + 2);
    expect(body().style.getPropertyValue('--lmt-share')).toBe(`${before + 2}%`);
    await press('Home', splitter);
    expect(splitter.getAttribute('aria-valuenow')).toBe('20');
    await press('Enter', splitter);
    expect(body().classList.contains('divided')).toBe(false);
  });

  it('get all the room with m, whichever has the focus, and give it back', async () => {
    await press('m', find('inspector'));
    expect(body().className).toBe('body only-inspector');
    await press('m', find('inspector'));
    await press('m', document.querySelector('.stage') as HTMLElement);
    expect(body().className).toBe('body only-graph');
    find('maximize-graph').click();
    await settled();
    expect(body().className).toBe('body');
  });

  it('keep the arrangement over a reload and with the next analysis', async () => {
    find('turn').click();
    await press('ArrowRight', find('splitter'));
    await settled(300);
    const kept = host.remembered.at(-1)?.layout;
    expect(kept).toMatchObject({ place: 'below', maximized: null });
    expect(body().className).toBe('body stacked divided');
    host.say(analysisMessage());
    await settled(150);
    expect(body().className).toBe('body stacked divided');
    host.say(analysisMessage({}, { layout: { place: 'auto', share: null, maximized: 'graph' } }));
    await settled(150);
    expect(body().className).toBe('body only-graph');
  });

  it('leave m alone where text is typed', async () => {
    await press('m', find('threshold-value'));
    expect(body().className).toBe('body');
  });
});
