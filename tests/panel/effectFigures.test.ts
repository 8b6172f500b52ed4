// Effects on screen: the figures are those that the backend gives for the same units, and everything is reached without a pointer.
import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { KnockOutResult, MeasureEffectsResult } from '../../extension/shared/protocol.ts';
import { byTestId } from '../e2e/harness/vitest.ts';
import { seriousFindings } from './accessibility.ts';
import type { Backend } from './backend.ts';
import type { PanelHost } from './host.ts';
import { expectDecimals, expectEffects, expectPercent, inspector, selected, unitsOf } from './reading.ts';
import { THEMES } from './themes.ts';
import { IOI, usePanel } from './window.ts';

const POSITION = 13;
const EDGE = 'I22_1>A23_13';
const LISTS = ['edge', 'head', 'ffn', 'token'] as const;

describe('effects', () => {
  const open = usePanel();
  let host: PanelHost;
  let page: Page;
  let backend: Backend;
  let about: object;

  const byId = byTestId(() => page);
  const ask = <Result>(question: string, params: object): Promise<Result> =>
    backend.request(`lmTransparency/${question}`, { ...about, ...params }) as Promise<Result>;

  beforeAll(async () => {
    ({ host, page, backend } = await open(IOI, { viewport: { width: 1400, height: 800 } }));
    const runId = await page.locator('[data-testid=panel]').getAttribute('data-run');
    about = { runId, position: POSITION, contrast: ' John' };
  });

  test('are asked for against another token: v, its text, Enter', async () => {
    await page.locator('.stage').focus();
    await page.keyboard.press('v');
    await page.keyboard.type(' Johnny Cash');
    await page.keyboard.press('Enter');
    await expect.poll(() => byId('why-not-said').textContent()).toContain('splits into');
    await byId('why-not').fill('');
    await page.keyboard.type(' John');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.versus.on').count()).toBe(1);
    expect(await page.locator('.versus.on').getAttribute('aria-label')).toBe('contrast ✓ ·John');
    await expect
      .poll(() => byId('trust-said').textContent(), { timeout: 50_000 })
      .toMatch(
        /^Measured \d+ edges and \d+ candidates: sign as predicted \d+ of the 20 strongest, rank agreement −?[01]\.\d\d; the drawing alone keeps −?\d+% of the difference, −?\d+% is left without it[.:]/,
      );
  });

  test.each(LISTS)('%s: the list has the figures of the backend', async (kind) => {
    await byId(`list-${kind}`).click();
    const list = byId(`effects-${kind}`);
    const units = await unitsOf(list);
    expect(units.length).toBeGreaterThan(10);
    const found = await ask<MeasureEffectsResult>('measureEffects', { units, seconds: 30 });
    await expectEffects(list, found.units);
  });

  test('an edge says its effect and is knocked out, by keyboard alone', async () => {
    await byId('list-token').focus();
    for (const key of ['Home', 'ArrowRight']) await page.keyboard.press(key);
    const holdsFocus = (place: Locator) => place.evaluate((one) => one.contains(document.activeElement));
    const rows = byId('effects-edge');
    // the list's tools and its order come before it
    for (let i = 0; i < 4 && !(await holdsFocus(rows)); i++) await page.keyboard.press('Tab');
    const row = page.locator(`[data-unit="${EDGE}"]`);
    for (let i = 0; i < 12 && !(await holdsFocus(row)); i++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await selected(page)).toBe(`attention:${EDGE}`);
    const { effect, outputs } = await ask<KnockOutResult>('knockOut', { unit: EDGE });
    await expect.poll(() => byId('effect-measured').textContent()).toMatch(/^\+\d/);
    expectDecimals((await byId('effect-measured').textContent()) ?? '', effect.measured ?? NaN, 2);
    await page.keyboard.press('k');
    const changes = byId('knock-out-changes').locator('li');
    await expect.poll(() => changes.count()).toBe(outputs.length);
    for (const [at, { before, after }] of outputs.entries()) {
      const [from = '', to = ''] = ((await changes.nth(at).locator('.number').textContent()) ?? '').split(' → ');
      expectPercent(from, before ?? NaN);
      expectPercent(to, after ?? NaN);
    }
  });

  test('its heads have theirs, measured when the edge is opened', async () => {
    const units = Array.from({ length: 9 }, (_, head) => `${EDGE}/${head}`);
    const found = await ask<MeasureEffectsResult>('measureEffects', { units, seconds: 30 });
    await expect.poll(() => byId('heads').locator('.effect-figure.measured').count()).toBe(9);
    for (const [head, { measured }] of found.units.entries()) {
      const shown = await byId('heads').locator(`button[data-head="${head}"] .effect-figure`).textContent();
      expectDecimals(shown ?? '', measured ?? NaN, shown?.split('.')[1]?.length ?? 2);
    }
  });

  test.each(THEMES)('%s: axe-core finds nothing serious', async (theme) => {
    await host.setTheme(theme);
    const colours = theme !== 'dark';
    await page.locator('[data-testid=ink-effect]').first().click();
    expect(await seriousFindings(page, colours)).toEqual([]);
    await byId('trust-help').click();
    expect(await seriousFindings(page, colours)).toEqual([]);
    await page.keyboard.press('Escape');
    await inspector(page).getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');
    await byId('predictions').waitFor();
    expect(await seriousFindings(page, colours)).toEqual([]);
    await page.locator(`[data-unit="${EDGE}"]`).click();
    await page.keyboard.press('k');
    await byId('knock-out-changes').waitFor();
  });
});
