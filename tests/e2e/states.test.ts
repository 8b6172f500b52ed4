import { mkdtempSync, copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  launchBrowser,
  notifications,
  openFile,
  openWorkbench,
  runCommand,
  screenshot,
  webviewFrame,
  type RunningServer,
} from './harness/index.ts';
import { samples, startProduct } from './product.ts';

const setUpMilliseconds = 600_000;

/** The panel of the file that was analysed last: each file has its own, and only one is in view. */
async function failure(page: Page): Promise<FrameLocator> {
  const frame = webviewFrame(page);
  await frame.locator('[data-testid=panel][data-state=failure]').waitFor({ timeout: 60_000 });
  return frame;
}

describe('on a machine without the backend', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prompts-'));
  let server: RunningServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    writeFileSync(join(folder, 'empty.prompt'), '');
    writeFileSync(join(folder, 'nul.prompt'), 'The capital\0 of France is');
    [server, browser] = await Promise.all([startProduct({ folder, python: '' }), launchBrowser()]);
    page = await openWorkbench(browser, server);
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await screenshot(page, `failed-${task.name.replaceAll(/\W+/g, '-')}`);
  });

  test('an empty prompt is refused with a sentence before any backend is asked for', async () => {
    await openFile(page, 'empty.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    const frame = await failure(page);
    expect(await frame.locator('[data-testid=panel]').textContent()).toMatch(/the text is empty/);
  });

  test('a binary file is refused with a sentence', async () => {
    await openFile(page, 'nul.prompt');
    await page.getByText('not displayed in the text editor because it is either binary').first().waitFor();
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await expect.poll(() => notifications(page)).toEqual([expect.stringMatching(/binary/)]);
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  test('the first analysis offers to set the backend up', async () => {
    await openFile(page, 'ioi.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await webviewFrame(page).getByRole('button', { name: 'Set Up Backend' }).waitFor({ timeout: 60_000 });
    await screenshot(page, 'no-backend-dark');
  });

  test(
    'setting up installs the backend from the VSIX and ends in the drawn graph',
    async () => {
      await webviewFrame(page).getByRole('button', { name: 'Set Up Backend' }).click();
      const ready = webviewFrame(page).locator('[data-testid=panel][data-state=ready]');
      await ready.waitFor({ timeout: setUpMilliseconds });
      expect(await ready.locator('[data-testid=proof]').textContent()).toMatch(/parts = whole \d/);
    },
    setUpMilliseconds,
  );
});
