import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { seriousFindings } from './accessibility.ts';
import { handsOn } from './hands.ts';
import type { PanelHost } from './host.ts';
import { edgeCount, inspector, selected } from './reading.ts';
import type { ThemeName } from './themes.ts';
import { IOI, usePanel } from './window.ts';

// the layer that moves the name to the last token of ioi.prompt
const EDGE = 'attention:I22_1>A23_13';
const NODES = ['I25_13', 'A23_13'] as const;
const OTHER_THEMES: readonly ThemeName[] = ['light', 'highContrast', 'highContrastLight'];
describe('without a pointer', () => {
  const open = usePanel();
  let host: PanelHost;
  let page: Page;

  const byId = byTestId(() => page);
  const { press, holdsFocus, tabTo, arrowTo } = handsOn(() => page);

  beforeAll(async () => {
    ({ host, page } = await open(IOI, { viewport: { width: 1180, height: 698 } }));
    await page.locator('body').evaluate((body) => {
      body.dataset['pointed'] = '0';
      addEventListener('pointerdown', () => (body.dataset['pointed'] = `${Number(body.dataset['pointed']) + 1}`), true);
    });
  });

  test('Tab leads to the graph, where arrows and Enter open nodes', async () => {
    await tabTo(page.locator('.stage'));
    // the first arrow only shows where one is: the target's last node
    await press('ArrowDown');
    for (let layer = 29; layer > 25; layer--) await press('ArrowDown');
    await press('Enter');
    await expect.poll(() => selected(page)).toBe(NODES[0]);
    await byId('top-tokens').waitFor();
    // with Shift every node on the way: M25, A25, I24, M24, A24, I23, M23, A23
    for (let i = 0; i < 8; i++) await press('Shift+ArrowDown');
    await press('Enter');
    await expect.poll(() => selected(page)).toBe(NODES[1]);
  });

  test('its list of parts leads to an attention edge, that to a head and the maps', async () => {
    const parts = byId('made-of').locator('button');
    await tabTo(byId('made-of'));
    await arrowTo(parts.filter({ hasText: 'Mary' }).first(), 'ArrowDown');
    await press('Enter');
    await expect.poll(() => selected(page)).toBe(EDGE);
    await tabTo(byId('heads'));
    await press('ArrowDown', 'Enter');
    await expect.poll(() => selected(page)).toMatch(new RegExp(`^${EDGE}#\\d$`));
    await tabTo(byId('map-attention'));
    const words = byId('map-words');
    await expect.poll(() => words.textContent()).toMatch(/^from ·Mary to ·to, probability [\d.]+, contribution/);
    await press('ArrowRight');
    await expect.poll(() => words.textContent()).toMatch(/^from ·and to ·to, probability/);
    await expect.poll(() => selected(page)).toMatch(/^attention:I22_2>A23_13#\d$/);
    expect(await holdsFocus(byId('map-attention'))).toBe(true);
  });

  test('back through the selections, then a feed-forward block, a neuron, and Escape out of both', async () => {
    await press('[', '[');
    await expect.poll(() => selected(page)).toBe(EDGE);
    await press(']');
    await expect.poll(() => selected(page)).toMatch(new RegExp(`^${EDGE}#`));
    await press('[', '[', '[');
    await expect.poll(() => selected(page)).toBe(NODES[0]);
    await tabTo(byId('made-of'));
    await arrowTo(byId('made-of').locator('button', { hasText: 'feed-forward' }), 'ArrowDown');
    await press('Enter');
    await byId('neurons').waitFor();
    const block = await selected(page);
    await tabTo(byId('neurons'));
    await press('ArrowDown', 'ArrowDown', 'Enter');
    await byId('neuron-positions').waitFor();
    expect((await selected(page))?.startsWith('M25_13#')).toBe(true);
    await tabTo(byId('neuron-positions'));
    await press('ArrowLeft', 'Enter');
    await expect.poll(() => selected(page)).toMatch(/^M25_12#/);
    await press('[', 'Escape');
    await expect.poll(() => selected(page)).toMatch(/M25_13$|^ffn:/);
    expect(block).toBeTruthy();
    // the neuron that was left has the focus
    await expect.poll(() => holdsFocus(byId('neurons'))).toBe(true);
    await press('Escape');
    await expect.poll(() => selected(page)).toBe('');
    await expect.poll(() => holdsFocus(page.locator('.stage'))).toBe(true);
  });

  test('the threshold, by arrows and typed', async () => {
    const before = await edgeCount(page);
    await tabTo(byId('threshold'), 'Shift+Tab');
    await press('ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft');
    await expect.poll(() => edgeCount(page)).toBeGreaterThan(before);
    await press('Enter');
    await page.keyboard.type('0.06');
    await press('Enter');
    await expect.poll(() => edgeCount(page)).toBeLessThan(before);
    expect(await byId('threshold').getAttribute('aria-valuetext')).toBe('0.060');
    expect(await holdsFocus(byId('threshold'))).toBe(true);
    await tabTo(byId('auto'));
    await press('Enter');
    await expect.poll(() => edgeCount(page)).toBe(before);
  });

  test('the preview of a figure opens, is walked through and closes', async () => {
    await arrowTo(byId('export'), 'ArrowRight');
    await press('Enter');
    await expect.poll(() => holdsFocus(byId('export-svg'))).toBe(true);
    await byId('figure-picture').waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await press('Tab');
    expect(await holdsFocus(byId('export-pdf'))).toBe(true);
    await press('Escape');
    await byId('export-svg').waitFor({ state: 'hidden' });
    expect(await holdsFocus(byId('export'))).toBe(true);
  });

  test('the views: the lens grid by cells, the heads by head', async () => {
    await tabTo(byId('view-routes'), 'Shift+Tab');
    await press('ArrowRight');
    await byId('lens-grid').waitFor();
    expect(await byId('view-lens').getAttribute('aria-selected')).toBe('true');
    await tabTo(page.locator('.stage'));
    await press('ArrowUp', 'ArrowLeft');
    await expect.poll(() => byId('lens-cell-readout').textContent()).toMatch(/position \d+, after layer \d+:/);
    await tabTo(byId('view-lens'), 'Shift+Tab');
    await press('End');
    await tabTo(byId('heads-overview'));
    await press('Enter');
    await byId('head-detail').waitFor();
    expect(await byId('head-filter').textContent()).toMatch(/^L\d+ H\d+/);
    await press('ArrowUp', 'Enter');
    await press('Escape');
    await byId('head-filter').waitFor({ state: 'hidden' });
  });

  test('and no pointer was used', async () => {
    expect(await page.locator('body').getAttribute('data-pointed')).toBe('0');
  });

  describe('axe-core finds nothing', () => {
    // the button is disabled where nothing is selected, and a click would wait for it
    const nothing = async () => {
      await byId('view-routes').click();
      await inspector(page).getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');
      await byId('predictions').waitFor();
    };
    const node = async (name: string) => {
      await nothing();
      const more = page.getByRole('button', { name: /^Show all/ });
      if (await more.isVisible()) await more.click();
      await byId('twin').locator(`[data-name="${name}"]`).click();
      await byId('top-tokens').waitFor();
    };
    const block = async () => {
      await node(NODES[0]);
      await byId('made-of').locator('button', { hasText: 'feed-forward' }).click();
      await byId('neurons').waitFor();
    };
    const states: Record<string, () => Promise<void>> = {
      'nothing selected': nothing,
      'a node': () => node(NODES[0]),
      'an attention edge': async () => {
        await byId('view-routes').click();
        await byId('twin').locator(`[data-name="${EDGE}"]`).click();
        await byId('why').waitFor();
      },
      'a feed-forward block': block,
      'a neuron': async () => {
        await block();
        await byId('neurons').locator('button').first().click();
        await byId('neuron-positions').waitFor();
      },
      'the model': async () => {
        await byId('model').click();
        await byId('model-facts').waitFor();
      },
      Lens: async () => {
        await byId('view-lens').click();
        await byId('lens-chart').waitFor();
      },
      Heads: async () => {
        await byId('view-heads').click();
        await byId('head-tags').locator('.tag-legend').waitFor({ timeout: 60_000 });
      },
      'a contrast': async () => {
        await nothing();
        await page.getByRole('button', { name: /^vs / }).first().click();
        await byId('answer-said').getByText('rather than').waitFor();
      },
      'a list of effects': async () => {
        await byId('list-edge').click();
        await byId('effects-edge').waitFor();
      },
      'a knock-out, and another pinned beside it': async () => {
        await byId('effects-edge').locator('button').first().click();
        await inspector(page).getByRole('button', { name: /^Pin/ }).click();
        await byId('effects-edge').locator('button').nth(1).click();
        await press('k');
        await page.locator('.changes').first().waitFor();
      },
      'the words behind a question mark': async () => {
        await byId('help-heads').last().click();
        await page.getByRole('button', { name: 'All words' }).click();
      },
      'the menu of exports': () => byId('export').click(),
      'the proof by layer': async () => {
        // the preview of exports covers the panel
        await press('Escape');
        await byId('proof').click();
      },
      'what the figures of trust mean': () => byId('trust-help').click(),
      'the finder': async () => {
        await press('Escape');
        await page.locator('.stage').focus();
        await press('/');
      },
      'offline, with trouble': async () => {
        await host.say({ type: 'offline', offline: true, message: 'The backend has stopped.' });
        await host.say({ type: 'failure', message: 'It did not work.', remedy: 'Try again.', actions: [] });
        await byId('trouble').waitFor();
      },
      loading: async () => {
        await host.say({ type: 'progress', message: 'Contributions: layer 12 of 30', fraction: 0.4 });
        await page.locator('[data-testid=panel][data-state=loading]').waitFor();
      },
      'a failure': async () => {
        const actions = [{ action: 'showLog' as const, label: 'Show Log' }];
        await host.say({ type: 'failure', message: 'It did not work.', remedy: 'Try again.', actions });
        await page.locator('[data-testid=panel][data-state=failure]').waitFor();
      },
    };

    test.each(Object.entries(states))('%s', async (_, open) => {
      await host.setTheme('dark');
      await open();
      const found = await seriousFindings(page);
      for (const theme of OTHER_THEMES) {
        await host.setTheme(theme);
        found.push(...(await seriousFindings(page, true)).map((finding) => `${theme}: ${finding}`));
      }
      expect(found).toEqual([]);
    });
  });
});
