// One window of the real VS Code for the tests of a `describe`, and what all of them do with it.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach } from 'vitest';
import { openWorkbench, type WorkbenchOptions } from './harness/index.ts';
import { connectBrowser, pictureFailures } from './harness/vitest.ts';
import { logsIn, startProduct, type Product, type ProductOptions } from './product.ts';

export interface Opened {
  server: Product;
  browser: Browser;
  page: Page;
}

/**
 * What opens the product in a window. It is closed after the tests of the `describe` that this is called in; of each test
 * that fails there is a picture and the end of both logs. `temporary` is a folder that is removed with it.
 */
export function useWindow(temporary?: string) {
  const opened: Partial<Opened> = {};
  pictureFailures(() => opened.page);
  afterEach(({ task }) => {
    if ((process.env['LMT_TIMES'] || task.result?.state === 'fail') && opened.server)
      console.log(bothLogs(opened.server));
  });
  afterAll(async () => {
    // a window that is left, and not only cut off, ends its extension host
    await opened.page?.goto('about:blank').catch(() => undefined);
    await opened.browser?.close();
    await opened.server?.stop();
    if (temporary) rmSync(temporary, { recursive: true, force: true });
  });
  return async (product: ProductOptions = {}, window: WorkbenchOptions = {}): Promise<Opened> => {
    const begun = performance.now();
    // each is kept as soon as it runs: it is to be ended, too, where the other does not start
    const [server, browser] = await Promise.all([
      startProduct(product).then((started) => (opened.server = started)),
      connectBrowser().then((started) => (opened.browser = started)),
    ]);
    const started = performance.now();
    const page = await openWorkbench(browser, server, window);
    opened.page = page;
    console.log(
      `server ${((started - begun) / 1000).toFixed(1)} s, window ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
    return { server, browser, page };
  };
}

/** The end of what the window's extension and the backends have logged. */
function bothLogs({ workDir, runtime }: Product): string {
  const names = readdirSync(runtime).filter((name) => name.endsWith('.log'));
  const far = names.map((name) => readFileSync(join(runtime, name), 'utf8')).join('');
  return `the window's log:\n${logsIn(workDir, 'LM Transparency.log').slice(-6000)}\nthe backend's:\n${far.slice(-6000)}`;
}
