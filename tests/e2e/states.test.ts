import { mkdtempSync, copyFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { notifications, openFile, runCommand, screenshot, setTheme, webviewFrame } from './harness/index.ts';
import { samples } from './product.ts';
import { useWindow } from './window.ts';

const setUpMilliseconds = 600_000;
const LONG = Array.from({ length: 16 }, (_, i) => `The number ${i} follows ${i - 1}.`).join(' ');

/** The panel of the file that was analysed last: each file has its own, and only one is in view. */
async function failure(page: Page): Promise<FrameLocator> {
  const frame = webviewFrame(page);
  await frame.locator('[data-testid=panel][data-state=failure]').waitFor({ timeout: 60_000 });
  return frame;
}

describe('on a machine without the backend', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prompts-'));
  const open = useWindow(folder);
  let page: Page;

  beforeAll(async () => {
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    writeFileSync(join(folder, 'long.prompt'), LONG);
    writeFileSync(join(folder, 'empty.prompt'), '');
    writeFileSync(join(folder, 'nul.prompt'), 'The capital\0 of France is');
    const machineSettings = {
      // ioi.prompt takes a third of it, and long.prompt more than all
      'lmTransparency.analysis.askAboveMb': 100,
      // what is imported is compiled then; all the rest would take longer than to install it
      'lmTransparency.backend.pipArguments': ['--no-compile'],
    };
    ({ page } = await open({ folder, python: '', machineSettings }));
  });

  test('an empty prompt is refused with a sentence before any backend is asked for', async () => {
    await openFile(page, 'empty.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    const frame = await failure(page);
    expect(await frame.locator('[data-testid=panel]').textContent()).toMatch(/the text is empty/);
  });

  test('a binary file is refused with a sentence', async () => {
    await openFile(page, 'nul.prompt', false);
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
      expect(await ready.locator('[data-testid=proof]').textContent()).toMatch(/adds up ✓ \d/);
    },
    setUpMilliseconds,
  );

  test('a costly analysis is asked about, with what it takes; no leaves all as it was, and yes draws it', async () => {
    const question = page.locator('.notifications-toasts .notification-list-item', { hasText: 'long.prompt' });
    const answer = (label: string) => question.getByRole('button', { name: label, exact: true }).click();
    const panel = (state: string) => webviewFrame(page).locator(`[data-testid=panel][data-state=${state}]`);
    const takes = /139 tokens take (under a second|(at most )?about \d+ \w+) and 164 MB; [\d.]+ [GM]B are free\./;
    // files open beside the panel, not over it
    await page.keyboard.press('Control+1');
    await openFile(page, 'long.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await question.waitFor();
    expect(await question.textContent()).toMatch(new RegExp(`long\\.prompt: ${takes.source} Run it\\?`));
    // the panel hears of it on a way of its own
    const updating = panel('ready').locator('[data-testid=updating]');
    await expect.poll(() => updating.textContent()).toMatch(takes);
    await page.getByRole('button', { name: 'long.prompt: waiting for your answer' }).waitFor();
    // under the pointer it does not hide after a while, however long the themes take
    await question.hover();
    await screenshot(page, 'costly-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'costly-light');
    await setTheme(page, 'dark');
    await answer('Cancel');
    // the panel goes back to the prompt that it showed
    await updating.waitFor({ state: 'detached' });
    await page.locator('.tab', { hasText: 'Routes: ioi.prompt · smollm2-135m…' }).waitFor();

    await page.keyboard.press('Control+1');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await question.waitFor();
    await answer('Run');
    await panel('ready').locator('[data-testid=token-138]').first().waitFor({ timeout: 180_000 });
    await panel('ready').locator('[data-testid=filling]').waitFor({ state: 'detached', timeout: 180_000 });

    // what is drawn stays where the same prompt is not to be run again
    await page.keyboard.press('Control+1');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await question.waitFor();
    await answer('Cancel');
    await panel('ready').locator('[data-testid=token-138]').first().waitFor();

    await page.keyboard.press('Control+1');
    await page.locator('[id="status.languageStatus"]').hover();
    const row = (text: string) => page.locator('.hover-language-status', { hasText: text });
    await expect.poll(() => row('2 analyses held').innerText()).toMatch(/\d+ MB of 2\.0 GB/);
    expect(await row('smollm2-135m-instruct').innerText()).toMatch(/cpu · float32[\s\S]*Select Model/);
    // neither is cut off
    const widths = await row('').evaluateAll((rows) => rows.map((one) => one.scrollWidth - one.clientWidth));
    expect(widths).toEqual([0, 0]);
    await screenshot(page, 'status-item-dark');
  });
});
