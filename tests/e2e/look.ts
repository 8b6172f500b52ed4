// The colours of the panel in the window: those of the theme, and those that tests of the panel use.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import { look, lookFile, variablesOf, type Look } from '../panel/themes.ts';
import { setTheme, type Theme } from './harness/index.ts';

/** Whether what the tests of the panel use is taken from the window. */
const takesLooks = Boolean(process.env['LMT_WRITE_THEMES']);

/** Changes the theme of the window, and expects that the panel follows. */
export async function expectTheme(page: Page, frame: FrameLocator, theme: Theme): Promise<void> {
  await setTheme(page, theme);
  const names = variablesOf(readFileSync(join(repositoryRoot, 'webview', 'dist', 'main.css'), 'utf8'));
  if (takesLooks) writeFileSync(lookFile(theme), `${JSON.stringify(await written(frame, names), undefined, 2)}\n`);
  await expect.poll(() => written(frame, names)).toEqual(look(theme));
  const background = () =>
    frame.locator('body').evaluate((body) => getComputedStyle(body).backgroundColor.match(/\d+/g)?.map(Number));
  const isLight = theme.toLowerCase().includes('light');
  await expect.poll(async () => ((await background())?.[0] ?? 128) > 128).toBe(isLight);
}

/** What VS Code has written into the panel's page, of what its style asks for. */
function written(frame: FrameLocator, names: string[]): Promise<Look> {
  return frame.locator('html').evaluate((root, names) => {
    const own = (root as HTMLElement).style;
    const variables = Object.fromEntries(
      names.map((name) => [name, own.getPropertyValue(name)]).filter(([, value]) => value),
    ) as Record<string, string>;
    return { variables, bodyClass: document.body.className };
  }, names);
}
