import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, test } from 'vitest';
import { COMPARED, pictures } from '../panel/reading.ts';
import { allThemes, runCommand, screenshot } from './harness/index.ts';
import { expectTheme } from './look.ts';
import { analyze, samples } from './product.ts';
import { useWindow } from './window.ts';

describe('the panel in every theme', () => {
  const open = useWindow();
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    if (pictures) mkdirSync(pictures, { recursive: true });
    const viewport = { width: 1600, height: 1000 };
    ({ page } = await open({}, { file: join(samples, 'ioi.prompt'), viewport }));
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
    if (!pictures) return;
    // the strongest route, which on this sentence leads from the name to the last token
    await frame.locator('[data-testid=twin] button[data-name]').first().click();
    // its maps are drawn, and all under them is there
    await frame.locator('[data-testid=map-attention][data-head]').waitFor();
    await frame.locator('[data-testid=why]').waitFor();
    await frame.locator('[data-testid=trust-said]', { hasText: COMPARED }).waitFor({ timeout: 60_000 });
  });

  test.each(allThemes)('%s: the panel has its colours, and tests of the panel use the same', async (theme) => {
    await expectTheme(page, frame, theme);
    if (!pictures) return;
    // the pointer away from the graph, so that no tooltip is in the picture
    await page.mouse.move(5, 500);
    await page.waitForTimeout(400);
    await screenshot(page, `routes-${theme}`, pictures);
  });
});
