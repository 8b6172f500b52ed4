import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { COMPARED, inspector, pictures, truthOf } from '../panel/reading.ts';
import { notifications, openFile, runCommand, screenshot, webviewFrame } from './harness/index.ts';
import { byTestId } from './harness/vitest.ts';
import { expectTheme } from './look.ts';
import { analyze, nextGraph, samples } from './product.ts';
import { useWindow } from './window.ts';

interface Routes {
  text: string;
  threshold: number;
  /** Edges between different tokens. */
  between: number;
}

describe('the panel and the editor beside it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'editor-'));
  const open = useWindow(folder);
  const { long } = truthOf<{ long: Routes }>('routes');
  let page: Page;
  let frame: FrameLocator;

  const byId = byTestId(() => frame);
  // the button is disabled where nothing is selected, and a click would wait for it
  const clearSelection = () =>
    inspector(frame).getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');

  beforeAll(async () => {
    cpSync(samples, folder, { recursive: true });
    writeFileSync(join(folder, 'long.prompt'), long.text);
    const viewport = { width: 1280, height: 800 };
    ({ page } = await open({ folder, measures: Boolean(pictures) }, { file: join(folder, 'ioi.prompt'), viewport }));
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
  });

  describe('heat on the prompt', () => {
    const warm = () => page.locator('.view-overlays .cdr[class*="ced-"]');

    test('is drawn on the text of the editor', async () => {
      // the token of what is selected is marked there, too
      await clearSelection();
      await expect.poll(() => warm().count()).toBe(0);
      if (await byId('more-options').isVisible()) await byId('more-options').click();
      await byId('heat').click();
      await expect.poll(() => warm().count()).toBeGreaterThan(4);
      const colours = () =>
        warm().evaluateAll((all) =>
          all.map((one) => getComputedStyle(one).backgroundColor || getComputedStyle(one).background),
        );
      // each step of heat is drawn by itself
      await expect.poll(async () => new Set(await colours()).size).toBeGreaterThan(2);
      await frame.locator('.legend').click();
      await page.mouse.move(640, 790);
      if (pictures) await frame.locator('[data-testid=trust-said]', { hasText: COMPARED }).waitFor({ timeout: 60_000 });
      // the whole window: the text is not in the panel
      await screenshot(page, 'heat', pictures);
    });

    test('and goes when the text is changed', async () => {
      await page.locator('.view-line').first().click();
      await page.keyboard.press('End');
      await page.keyboard.type('!');
      await expect.poll(() => warm().count()).toBe(0);
      await page.keyboard.press('Control+z');
      expect(await notifications(page)).toEqual([]);
    });
  });

  test('of a long prompt the graph of the last token is drawn first, and is the one of the whole', async () => {
    await openFile(page, 'long.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    const panel = webviewFrame(page);
    const at = (id: string) => panel.locator(`[data-testid="${id}"]`);
    // at one time: the rest may come in a moment
    const drawn = () =>
      panel.locator('html').evaluate((root) => {
        const part = (id: string) => root.querySelector<HTMLElement>(`[data-testid="${id}"]`);
        return {
          edges: part('edge-count')?.textContent ?? '',
          threshold: root.querySelector<HTMLInputElement>('[data-testid="threshold-value"]')?.value ?? '',
          rows: [...root.querySelectorAll('.side .routes li')].map((row) => row.textContent),
          open: part('filling')?.dataset['open'],
        };
      });
    let seen = {} as Awaited<ReturnType<typeof drawn>>;
    await expect.poll(async () => (seen = await drawn()).open ?? '', { timeout: 60_000 }).not.toBe('');
    const { open, ...first } = seen;
    await screenshot(page, 'first-graph');
    expect([open, Number.parseInt(first.edges, 10) > 5]).toEqual(['false', true]);
    await at('filling').waitFor({ state: 'detached', timeout: 60_000 });
    expect(await drawn()).toEqual(first);
    expect(Number(first.threshold)).toBeCloseTo(long.threshold, 3);
    expect(Number.parseInt(first.edges, 10)).toBe(long.between);
    // what one looks at has not moved, and another target is there at once
    await at('token-132').waitFor();
    await at('token-131').click();
    await expect.poll(drawn).not.toEqual(first);
    expect(await at('filling').count()).toBe(0);
  });

  test('a file that is opened from the graph stays out of its group, whose keyboard is on the graph', async () => {
    const groups = page.locator('.editor-group-container');
    await webviewFrame(page)
      .locator('.stage')
      .click({ position: { x: 4, y: 4 } });
    await openFile(page, 'year.prompt');
    expect(await groups.first().locator('.tab', { hasText: 'year.prompt' }).count()).toBe(1);
    await analyze(page);
    expect(await groups.count()).toBe(2);
    await page.keyboard.press('Control+2');
    const body = webviewFrame(page).locator('body');
    await expect.poll(() => body.evaluate(() => document.activeElement?.classList.contains('stage'))).toBe(true);
  });

  test('the cursor in a chat finds its token, and not in a role', async () => {
    await openFile(page, 'capital.chat');
    frame = await nextGraph(page, () => runCommand(page, 'LM Transparency: Analyze Prompt'));
    const lines = page.locator('.editor-instance .view-line');
    const current = frame.locator('.chip.current');
    // behind the last word stands its token
    await lines.filter({ hasText: /^The.capital/ }).click();
    await page.keyboard.press('End');
    await expect.poll(() => current.count()).toBe(1);
    expect(await current.getAttribute('class')).not.toContain('template');
    await lines.filter({ hasText: 'assistant' }).click();
    await expect.poll(() => current.count()).toBe(0);
  });

  test('a token that is selected in the panel is marked in the text', async () => {
    await byId('twin').locator('button[data-name^="attention:"]').first().click();
    await page.locator('.monaco-editor .view-overlays .cdr[class*=ced-]').first().waitFor();
  });

  // all themes: themes.test.ts
  test.each(['light', 'dark'] as const)('%s: the panel has its colours, as in tests of the panel', async (theme) => {
    await expectTheme(page, frame, theme);
  });
});
