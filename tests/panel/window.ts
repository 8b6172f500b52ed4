// A panel for the tests of a `describe`: a tab of the browser and a connection to the backend that all files share.
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, inject } from 'vitest';
import { connectBrowser, pictureFailures } from '../e2e/harness/vitest.ts';
import { Backend } from './backend.ts';
import { PanelHost, type PanelOptions } from './host.ts';

/** The prompt of samples/ioi.prompt. */
export const IOI = { prompt: 'When Mary and John went to the store, John gave a drink to' };

export interface Opened {
  host: PanelHost;
  page: Page;
  browser: Browser;
  backend: Backend;
}

/**
 * Opens a panel that shows the analysis of a prompt; it is closed after the tests of the `describe`. `runtime`: where its
 * backend is met, for models other than the one that all files share.
 */
export function usePanel(runtime = inject('runtime')) {
  const opened: Partial<Opened> = {};
  pictureFailures(() => opened.page, 'failed-panel');
  afterEach(({ task }) => {
    if (task.result?.state !== 'fail') return;
    const lines = opened.backend?.log().split('\n') ?? [];
    const said = lines.filter((line) => line !== '' && line !== 'lm-transparency alive');
    console.log(`the backend's log:\n${said.slice(-20).join('\n')}`);
  });
  afterAll(async () => {
    await opened.browser?.close();
    await opened.backend?.leave();
  });
  return async (params: object, options: PanelOptions = {}): Promise<Opened> => {
    const [browser, backend] = await Promise.all([
      connectBrowser().then((browser) => (opened.browser = browser)),
      Backend.join(runtime).then((backend) => (opened.backend = backend)),
    ]);
    const viewport = options.viewport ?? { width: 900, height: 800 };
    const context = await browser.newContext({ viewport, reducedMotion: 'reduce' });
    const host = await PanelHost.open(context, backend, options);
    opened.page = host.page;
    await host.analyze(params, options);
    return { host, page: host.page, browser, backend };
  };
}
