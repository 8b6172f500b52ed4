// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mount } from '../../webview/src/mount';
import { FakeHost, analysisMessage } from './host';
import { click, find, maybe, press, settled } from './panelDom';

const shown = (id: 'pinned' | 'inspector'): string | undefined => maybe(id)?.dataset['selection'];
const route = (at: number): HTMLElement | undefined =>
  [...find('twin').querySelectorAll<HTMLElement>('section:nth-child(2) button.route')][at];

describe('a pinned inspector', () => {
  let host: FakeHost;
  let unmount: () => void;
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    host = new FakeHost();
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    host.say(analysisMessage({}, { selection: 'I1_1' }));
    await settled(150);
  });
  afterEach(() => unmount());

  it('stays while the next selection opens beside it, after it in the order of reading', async () => {
    const figures = find('inspector').querySelector('.what')?.textContent;
    await click(find('pin'));
    expect(shown('pinned')).toBe('I1_1');
    expect(find('inspector').textContent).toContain('Select anything else');
    await click(route(0));
    const second = shown('inspector');
    expect(second).not.toBe('I1_1');
    await click(route(1));
    expect([shown('pinned'), shown('inspector') === second]).toEqual(['I1_1', false]);
    expect(find('pinned').querySelector('.what')?.textContent).toBe(figures);
    const order = find('pinned').compareDocumentPosition(find('inspector'));
    expect(order & Node.DOCUMENT_POSITION_FOLLOWING).toBeTruthy();
  });

  it('has no history of its own: back moves the other one', async () => {
    await click(find('pin'));
    await click(route(0));
    await click(route(1));
    const third = shown('inspector');
    expect(
      [...find('pinned').querySelectorAll('.kind button')].map(
        (button) => button.ariaLabel ?? button.getAttribute('aria-label'),
      ),
    ).toEqual(['Unpin']);
    await press('[', window);
    expect(shown('pinned')).toBe('I1_1');
    expect(shown('inspector')).not.toBe(third);
  });

  it('is let go by its button or Escape, and the keyboard keeps its place', async () => {
    await click(find('pin'));
    expect(find('inspector').contains(document.activeElement)).toBe(true);
    await click(route(0));
    const current = shown('inspector');
    await click(find('unpin'));
    expect(maybe('pinned')).toBe(null);
    expect(shown('inspector')).toBe(current);
    expect(find('inspector').contains(document.activeElement)).toBe(true);
    await click(find('pin'));
    await click(route(1));
    find('unpin').focus();
    await press('Escape');
    expect(maybe('pinned')).toBe(null);
    expect(shown('inspector')).not.toBe('');
  });

  it('cannot be pinned while nothing is selected', async () => {
    await press('Escape', find('inspector'));
    expect(find('pin').getAttribute('aria-disabled')).toBe('true');
    await click(find('pin'));
    expect(maybe('pinned')).toBe(null);
  });

  it('goes with its analysis', async () => {
    await click(find('pin'));
    host.say(analysisMessage({}, { selection: 'I2_2' }));
    await settled(150);
    expect([maybe('pinned'), shown('inspector')]).toEqual([null, 'I2_2']);
  });
});
