// One window of the real VS Code for the tests of a `describe`, and what all of them do with it.
import { rmSync } from 'node:fs';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import { afterAll, afterEach } from 'vitest';
import { launchBrowser, openWorkbench, screenshot, type WorkbenchOptions } from './harness/index.ts';
import { startProduct, type Product, type ProductOptions } from './product.ts';

export interface Opened {
  server: Product;
  browser: Browser;
  page: Page;
}

/**
 * What opens the product in a window. It is ended after the tests of the `describe` that this is called in, with a
 * picture of each that fails; `temporary` is a folder that is removed with it.
 */
export function useWindow(temporary?: string) {
  const opened: Partial<Opened> = {};
  pictureFailures(() => opened.page);
  afterAll(async () => {
    await opened.browser?.close();
    await opened.server?.stop();
    if (temporary) rmSync(temporary, { recursive: true, force: true });
  });
  return async (product: ProductOptions = {}, window: WorkbenchOptions = {}): Promise<Opened> => {
    // each is kept as soon as it runs: it is to be ended, too, where the other does not start
    const [server, browser] = await Promise.all([
      startProduct(product).then((started) => (opened.server = started)),
      launchBrowser().then((started) => (opened.browser = started)),
    ]);
    const page = await openWorkbench(browser, server, window);
    opened.page = page;
    return { server, browser, page };
  };
}

/** Takes a picture of the page where a test fails. */
export function pictureFailures(page: () => Page | undefined): void {
  afterEach(async ({ task }) => {
    const shown = page();
    if (shown && task.result?.state === 'fail') await screenshot(shown, `failed-${task.name.replaceAll(/\W+/g, '-')}`);
  });
}

/** Finds what has a test id, in the panel that `where` gives at the time. */
export function byTestId(where: () => FrameLocator | Locator): (id: string) => Locator {
  return (id) => where().locator(`[data-testid="${id}"]`);
}
