import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

const defaultFolder = fileURLToPath(new URL('../screenshots', import.meta.url));

type Box = { x: number; y: number; width: number; height: number };

/** Takes a picture of the window as `NAME.png` in tests/e2e/screenshots or another folder, and returns its path. */
export async function screenshot(page: Page, name: string, folder = defaultFolder, clip?: Box): Promise<string> {
  const path = join(folder, `${name}.png`);
  // A blinking cursor would make two pictures of the same state differ.
  await page.screenshot({ path, animations: 'disabled', caret: 'hide', ...(clip && { clip }) });
  return path;
}
