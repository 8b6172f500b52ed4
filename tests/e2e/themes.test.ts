import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import { allThemes, runCommand, screenshot, setTheme } from './harness/index.ts';
import { analyze, samples } from './product.ts';
import { useWindow } from './window.ts';

/** `make screenshots` sets it, and the pictures of README and docs are taken anew. */
const folder = process.env.RETAKE_SCREENSHOTS ? join(repositoryRoot, 'docs', 'images') : undefined;

describe('the panel in every theme', () => {
  const open = useWindow();
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    if (folder) mkdirSync(folder, { recursive: true });
    const viewport = { width: 1600, height: 1000 };
    ({ page } = await open({}, { file: join(samples, 'ioi.prompt'), viewport }));
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
    // the strongest route, which on this sentence leads from the name to the last token
    await frame.locator('[data-testid=twin] button[data-name]').first().click();
    // its maps are drawn, and all under them is there
    await frame.locator('[data-testid=map-attention][data-head]').waitFor();
    await frame.locator('[data-testid=why]').waitFor();
  });

  test.each(allThemes)('%s: the graph takes the colours of the theme', async (theme) => {
    await setTheme(page, theme);
    const background = () =>
      frame.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor.match(/\d+/g)?.map(Number));
    const isLight = theme.toLowerCase().includes('light');
    await expect.poll(async () => ((await background())?.[0] ?? 128) > 128).toBe(isLight);
    // the pointer away from the graph, so that no tooltip is in the picture
    await page.mouse.move(5, 500);
    await page.waitForTimeout(400);
    await screenshot(page, `routes-${theme}`, folder);
  });
});
