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

describe('graph and inspector', () => {
  let unmount: () => void;
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    const host = new FakeHost();
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

  it('leave m alone where text is typed', async () => {
    await press('m', find('threshold-value'));
    expect(body().className).toBe('body');
  });
});
