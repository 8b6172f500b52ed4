// Pictures of the real window to be looked at: every size, length and theme, in tests/e2e/screenshots (`make gallery`).
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { COMPARED } from '../panel/reading.ts';
import { story } from '../panel/story.ts';
import { allThemes, openFile, quickInputRow, runCommand, screenshot, setTheme } from './harness/index.ts';
import { byTestId } from './harness/vitest.ts';
import { analyze, samples } from './product.ts';
import { useWindow } from './window.ts';

const SIZES = { '1440': [1440, 900], '1280-side-bar': [1280, 800], '900': [900, 800] } as const;
const PROMPTS = { '4': 'The capital of France', '207': story(138), '963': story(794) };
const FILES = ['4.prompt', 'ioi.prompt', '207.prompt', '963.prompt', 'names.chat'];
/** A folder or file of another model, whose pictures have its name. */
const model = process.env['LMT_MODEL'];
const prefix = model ? `${process.env['LMT_MODEL_NAME'] ?? 'other'}-` : '';

describe('the real window', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gallery-'));
  const open = useWindow(folder);
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    cpSync(samples, folder, { recursive: true });
    for (const [name, text] of Object.entries(PROMPTS)) writeFileSync(join(folder, `${name}.prompt`), text);
    const machineSettings = { ...(model && { 'lmTransparency.model': model }) };
    // no lens is there that was fitted before
    const env = { LM_TRANSPARENCY_CACHE: join(folder, '.cache') };
    ({ page } = await open({ folder, machineSettings, env }, { file: join(folder, FILES[0] ?? '') }));
  });

  async function pictures(name: string): Promise<void> {
    // the pointer away from the graph, so that no tooltip is in the picture
    await page.mouse.move(5, 500);
    await page.waitForTimeout(500);
    await screenshot(page, `${prefix}${name}`);
  }

  test.each(FILES)('%s at every size', { timeout: 600_000 }, async (file) => {
    const sideBar = 'View: Toggle Primary Side Bar Visibility';
    await openFile(page, file);
    frame = await analyze(page);
    const said = frame.locator('[data-testid=trust-said]');
    await said.filter({ hasText: COMPARED }).waitFor({ timeout: 400_000 });
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      const hasSideBar = size.endsWith('side-bar');
      await page.setViewportSize({ width, height });
      if (!hasSideBar) await runCommand(page, sideBar);
      await pictures(`${file.replace(/\W/g, '-')}-${size}`);
      if (!hasSideBar) await runCommand(page, sideBar);
    }
    expect(await frame.locator('[data-testid=answer-said]').textContent()).not.toBe('');
  });

  test.each(allThemes)('%s: a long prompt, an edge opened, the other views', async (theme) => {
    await page.setViewportSize({ width: 1440, height: 900 });
    await setTheme(page, theme);
    await openFile(page, '207.prompt');
    frame = await analyze(page);
    await frame.locator('[data-testid=twin] [data-name^="attention:"]').first().click();
    await frame.locator('[data-testid=why]').waitFor();
    await pictures(`edge-${theme}`);
    for (const view of ['lens', 'heads', 'routes']) {
      await frame.locator(`[data-testid=view-${view}]`).click();
      await page.waitForTimeout(2500);
      if (view !== 'routes') await pictures(`${view}-${theme}`);
    }
  });

  test('the spider that is never said: a lens is fitted, and finds it', { timeout: 900_000 }, async () => {
    await page.setViewportSize({ width: 1440, height: 900 });
    await setTheme(page, 'dark');
    await openFile(page, 'spider.prompt');
    frame = await analyze(page);
    const byId = byTestId(() => frame);
    await byId('view-lens').click();
    await byId('fit-lens').waitFor();
    await pictures('lens-offered');
    await byId('fit-lens').click();
    await quickInputRow(page, '2 sequences').click({ timeout: 120_000 });
    await byId('fitting').waitFor();
    await pictures('lens-fitting');
    await byId('lens-jacobian').click({ timeout: 700_000 });
    await byId('find-word').fill('spider');
    await byId('find-word').press('Enter');
    await byId('strongest').waitFor();
    await byId('strongest').locator('button').first().click();
    for (const theme of ['dark', 'light'] as const) {
      await setTheme(page, theme);
      await pictures(`lens-spider-${theme}`);
    }
  });
});
