// Keys that come before the first picture is painted: a person who knows them does not wait for it.
import { describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { PanelHost } from './host.ts';
import { IOI, usePanel } from './window.ts';

/** Presses a key on the graph in the moment when the panel is drawn, before anything else of the page runs. */
function pressAtOnce(key: string): void {
  const watch = new MutationObserver(() => {
    const stage = document.querySelector('.stage');
    if (!stage) return;
    watch.disconnect();
    stage.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    document.body.dataset['focused'] = document.activeElement?.getAttribute('data-testid') ?? '';
  });
  watch.observe(document, { subtree: true, childList: true });
}

describe('the first key', () => {
  const open = usePanel();

  test('v has the box of “why not” take the next one', async () => {
    const { page, backend } = await open(IOI);
    await page.context().addInitScript(pressAtOnce, 'v');
    const { page: fresh } = await PanelHost.open(page.context(), backend, {}).then(async (host) => {
      await host.analyze(IOI);
      return host;
    });
    await expect.poll(() => fresh.locator('body').getAttribute('data-focused')).toBe('why-not');
    await fresh.keyboard.type(' John');
    expect(await byTestId(() => fresh)('why-not').inputValue()).toBe(' John');
  });
});
