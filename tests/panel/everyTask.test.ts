// Every task of docs/inspectors.md by keyboard alone; keyboard.test.ts has those that lead from one place to the next.
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { handsOn } from './hands.ts';
import type { PanelHost } from './host.ts';
import { selected } from './reading.ts';
import { IOI, usePanel } from './window.ts';

const EDGE = 'attention:I22_1>A23_13';

describe('by keyboard alone', () => {
  const open = usePanel();
  let host: PanelHost;
  let page: Page;

  const byId = byTestId(() => page);
  const { press, holdsFocus, tabTo, arrowTo } = handsOn(() => page);
  const lists = () => page.getByRole('tablist', { name: 'Lists' });
  const copied = () => host.last('copy')?.text ?? '';

  /** From wherever the keyboard is to the graph, with nothing selected. */
  async function afresh(): Promise<void> {
    await page.locator('.stage').focus();
    await press('Escape');
    await expect.poll(() => selected(page), { timeout: 2000 }).toBe('');
  }

  /** An edge opened from the list of routes. */
  async function openEdge(): Promise<void> {
    await afresh();
    await tabTo(lists());
    await press('Home');
    await arrowTo(byId('list-routes'), 'ArrowRight');
    await tabTo(byId('twin').locator('ul, ol').first());
    await arrowTo(byId('twin').locator(`[data-name="${EDGE}"]`), 'ArrowDown');
    await press('Enter');
    await expect.poll(() => selected(page)).toBe(EDGE);
    await byId('why').waitFor();
  }

  beforeAll(async () => {
    ({ host, page } = await open(IOI, { viewport: { width: 1400, height: 900 } }));
    await page.locator('body').evaluate((body) => {
      body.dataset['pointed'] = '0';
      addEventListener('pointerdown', () => (body.dataset['pointed'] = `${Number(body.dataset['pointed']) + 1}`), true);
    });
    await byId('trust-said').waitFor({ timeout: 60_000 });
  });

  test('the answer line: a part is selected, the sentence copied', async () => {
    const said = byId('answer-said');
    await tabTo(said, 'Shift+Tab');
    await press('ArrowRight', 'ArrowRight', 'Enter');
    await expect.poll(() => selected(page)).not.toBe('');
    await press('End', 'Enter');
    await expect.poll(copied).toContain('Mary');
    expect(await holdsFocus(said)).toBe(true);
  });

  test('how far to trust it is said', async () => {
    await tabTo(byId('trust-help'));
    await press('Enter');
    await expect.poll(() => byId('trust-help').getAttribute('aria-expanded')).toBe('true');
    await press('Escape');
    await expect.poll(() => byId('trust-help').getAttribute('aria-expanded')).toBe('false');
  });

  test('a contrast is chosen beside a prediction, and taken back', async () => {
    await afresh();
    await tabTo(byId('predictions'));
    await arrowTo(page.locator('.versus', { hasText: 'vs' }).first(), 'ArrowDown');
    await press('Enter');
    await expect.poll(() => page.locator('.versus.on').count()).toBe(1);
    await byId('contrast').waitFor();
    await press('Enter');
    await expect.poll(() => page.locator('.versus.on').count()).toBe(0);
  });

  test('lists of effects: another kind, another order, a row', async () => {
    await tabTo(lists());
    await arrowTo(byId('list-ffn'), 'ArrowRight');
    await tabTo(page.getByRole('group', { name: 'Order' }));
    await press('Home', 'Enter');
    await expect.poll(() => byId('order-predicted').getAttribute('aria-pressed')).toBe('true');
    await tabTo(byId('effects-ffn'));
    await arrowTo(byId('effects-ffn').locator('[data-unit$="_13"]').first(), 'ArrowDown');
    await press('Enter');
    await expect.poll(() => selected(page)).toMatch(/M\d+_13/);
  });

  test('a selection is knocked out, set to another baseline, and is as it was', async () => {
    await press('k');
    await byId('knock-out-changes').waitFor();
    await tabTo(byId('knock-out-how'));
    const before = await byId('knock-out-sum').textContent();
    await press('ArrowDown');
    await expect.poll(() => byId('knock-out-sum').textContent()).not.toBe(before);
    await tabTo(byId('knock-out-undo'));
    await press('Enter');
    await byId('knock-out-changes').waitFor({ state: 'detached' });
  });

  test('a list is copied by c and by its sign, and saved', async () => {
    await tabTo(byId('neurons'));
    await press('c');
    await expect.poll(copied).toMatch(/^neuron\t/);
    await tabTo(page.getByRole('group', { name: /^Neurons: table/ }), 'Shift+Tab');
    await arrowTo(byId('save-neurons'), 'ArrowRight');
    await press('Enter');
    await expect.poll(() => host.last('save')).toBeTruthy();
    await arrowTo(byId('copy-neurons'), 'ArrowLeft');
    await press('Enter');
    await expect.poll(() => byId('copy-neurons').locator('..').textContent()).toContain('copied');
  });

  test('an inspector is pinned, the next one opens beside it, and Escape releases it', async () => {
    await openEdge();
    await tabTo(page.locator('.kind[role=toolbar]'), 'Shift+Tab');
    await press('Home');
    await arrowTo(byId('pin'), 'ArrowRight');
    await press('Enter');
    await byId('pinned').waitFor();
    await page.locator('.stage').focus();
    await press('ArrowDown', 'Enter');
    await expect.poll(() => selected(page)).not.toBe(EDGE);
    expect(await byId('pinned').getAttribute('data-selection')).toBe(EDGE);
    await tabTo(byId('pinned'));
    await press('Escape');
    await byId('pinned').waitFor({ state: 'detached' });
  });

  test('maps are enlarged, on a log scale, and all of a layer opened', async () => {
    await openEdge();
    await tabTo(byId('map-scale'));
    await press('Enter');
    expect(await byId('map-scale').getAttribute('aria-pressed')).toBe('true');
    await tabTo(byId('map-enlarge'));
    await press('Enter');
    await page.locator('.map-pair.enlarged').waitFor();
    await press('Enter');
    await tabTo(byId('maps-toggle'));
    await press('Enter');
    await tabTo(byId('maps-contribution'));
    await press('Enter');
    await tabTo(byId('maps'));
    await press('ArrowRight', 'Enter');
    await expect.poll(() => selected(page)).toMatch(/#\d+$/);
  });

  test('what a head writes: from this key alone, without the final norm, a token followed', async () => {
    await tabTo(byId('part-only'));
    await press('Enter');
    expect(await byId('part-only').getAttribute('aria-pressed')).toBe('true');
    await tabTo(byId('norm-toggle').last());
    await press('Enter');
    await expect.poll(() => byId('norm-toggle').last().getAttribute('aria-pressed')).toBe('false');
    await press('Enter');
    await tabTo(byId('head-promoted'));
    await press('Enter');
    await expect.poll(() => byId('head-promoted').locator('[aria-pressed=true]').count()).toBe(1);
  });

  test('a mark explains a section, and leads to all words', async () => {
    await tabTo(byId('help-heads').first(), 'Shift+Tab');
    await press('Enter');
    await byId('help').waitFor();
    await tabTo(page.getByRole('button', { name: 'All words' }));
    await press('Enter', 'Escape');
    await byId('help').waitFor({ state: 'detached' });
  });

  test('the model opens, and its buttons are reached', async () => {
    await tabTo(page.getByRole('toolbar').first(), 'Shift+Tab');
    await press('Home');
    await arrowTo(byId('model'), 'ArrowRight');
    await press('Enter');
    await byId('model-facts').waitFor();
    await tabTo(page.locator('.side').getByRole('button', { name: /model/i }).last());
  });

  test('the lens grid is coloured by a followed token', async () => {
    await tabTo(byId('view-routes'), 'Shift+Tab');
    await press('ArrowRight');
    await byId('lens-grid').waitFor();
    await tabTo(byId('lens-colour'));
    await press('ArrowRight', 'Enter');
    await expect.poll(() => byId('lens-colour').locator('[aria-pressed=true]').textContent()).not.toBe('top token');
  });

  test('and no pointer was used', async () => {
    expect(await page.locator('body').getAttribute('data-pointed')).toBe('0');
  });
});
