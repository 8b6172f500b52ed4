// What tests of a window and tests of the panel share of vitest and the browser.
import { chromium, type Browser, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { afterEach, inject } from 'vitest';
import { takePicture } from './screenshots.ts';

/** The browser that all files of a run share. */
export const connectBrowser = (): Promise<Browser> => chromium.connect(inject('browser'));

/** Takes a picture of the page where a test fails, as `PREFIX-NAME-OF-THE-TEST.png`. */
export function pictureFailures(page: () => Page | undefined, prefix = 'failed'): void {
  afterEach(async ({ task }) => {
    const shown = page();
    if (shown && task.result?.state === 'fail')
      await takePicture(shown, `${prefix}-${task.name.replaceAll(/\W+/g, '-')}`);
  });
}

/** Finds elements by test id in the place that `where` gives at the time. */
export function byTestId(where: () => Page | FrameLocator | Locator): (id: string) => Locator {
  return (id) => where().locator(`[data-testid="${id}"]`);
}
