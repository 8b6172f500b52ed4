import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import { COMPARED, pictures } from '../panel/reading.ts';
import { look, lookFile, variablesOf, type Look } from '../panel/themes.ts';
import { allThemes, runCommand, screenshot, setTheme } from './harness/index.ts';
import { analyze, samples } from './product.ts';
import { useWindow } from './window.ts';

/** All of them where there is time, or where what the tests of the panel use is taken from the window. */
const isWritten = Boolean(process.env['LMT_WRITE_THEMES']);
const themes = process.env['LMT_MORE'] || isWritten || pictures ? allThemes : (['light', 'dark'] as const);
const style = readFileSync(join(repositoryRoot, 'webview', 'dist', 'main.css'), 'utf8');

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

  /** What VS Code has written into the panel's page, of what its style asks for. */
  const written = (names: string[]): Promise<Look> =>
    frame.locator('html').evaluate((root, names) => {
      const own = (root as HTMLElement).style;
      const variables = Object.fromEntries(
        names.map((name) => [name, own.getPropertyValue(name)]).filter(([, value]) => value),
      ) as Record<string, string>;
      return { variables, bodyClass: document.body.className };
    }, names);

  test.each(themes)('%s: the panel has its colours, and tests of the panel use the same', async (theme) => {
    await setTheme(page, theme);
    const names = variablesOf(style);
    if (isWritten) writeFileSync(lookFile(theme), `${JSON.stringify(await written(names), undefined, 2)}\n`);
    await expect.poll(() => written(names)).toEqual(look(theme));
    const background = () =>
      frame.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor.match(/\d+/g)?.map(Number));
    const isLight = theme.toLowerCase().includes('light');
    await expect.poll(async () => ((await background())?.[0] ?? 128) > 128).toBe(isLight);
    if (!pictures) return;
    // the pointer away from the graph, so that no tooltip is in the picture
    await page.mouse.move(5, 500);
    await page.waitForTimeout(400);
    await screenshot(page, `routes-${theme}`, pictures);
  });
});
