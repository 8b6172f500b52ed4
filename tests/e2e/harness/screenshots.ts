import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

const defaultFolder = fileURLToPath(new URL('../screenshots', import.meta.url));

type Box = { x: number; y: number; width: number; height: number };

/** Pictures of the window cost it time: they are taken where `LMT_PICTURES` is set, where a test fails, and for docs. */
const isWanted = Boolean(process.env['LMT_PICTURES']);

/** Where pictures are wanted, or where they go to a `folder`, takes one of the window as `NAME.png`. */
export async function screenshot(page: Page, name: string, folder?: string, clip?: Box): Promise<void> {
  if (isWanted || folder) await takePicture(page, name, folder, clip);
}

/** Takes a picture of the window as `NAME.png` in tests/e2e/screenshots or another folder. */
export async function takePicture(page: Page, name: string, folder = defaultFolder, clip?: Box): Promise<void> {
  // A blinking cursor would make two pictures of the same state differ.
  const options = { animations: 'disabled', caret: 'hide' } as const;
  await page.screenshot({ path: join(folder, `${name}.png`), ...options, ...(clip && { clip }) });
}
