import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import { notifications, quickInput, runCommand, screenshot } from './harness/index.ts';
import { expectPercent, inspector, visible } from '../panel/reading.ts';
import { analyze, embeddedModel } from './product.ts';
import { useWindow } from './window.ts';

type Truth = Record<string, { text: string; probability: number }>;

const PROMPT = 'When Mary and John went to the store, John gave a drink to';

/** Makes the copies, and tells what plain libraries say of each. */
async function makeCopies(models: string): Promise<Truth> {
  const at = (name: string) => join(repositoryRoot, 'tests', name);
  const words = [at('e2e/make_copies.py'), embeddedModel(), models, PROMPT];
  const env = { ...process.env, PYTHONPATH: at('python/support') };
  const { stdout } = await promisify(execFile)(repositoryPython(), words, { env, maxBuffer: 1e8 });
  return JSON.parse(stdout) as Truth;
}

describe('models in the formats that people have', () => {
  const place = mkdtempSync(join(tmpdir(), 'loading-'));
  const models = join(place, 'models');
  const file = join(place, 'work', 'one.prompt');
  const open = useWindow(place);
  let page: Page;
  let frame: FrameLocator;
  let truth: Truth;

  beforeAll(async () => {
    mkdirSync(models);
    mkdirSync(join(place, 'work'));
    writeFileSync(file, PROMPT);
    truth = await makeCopies(models);
    ({ page } = await open({ folder: join(place, 'work') }, { file, viewport: { width: 1280, height: 800 } }));
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
  }, 600_000);

  /** Types a path into Select Model of the panel, which then analyses again. */
  const select = async (path: string) => {
    const button = inspector(frame).locator('[data-action=selectModel]');
    if (!(await button.isVisible())) await frame.locator('[data-testid=model]').click();
    await button.click();
    await quickInput(page).locator('input.input').fill(path);
    const row = quickInput(page).locator('.quick-input-list .monaco-list-row', { hasText: path });
    await row.first().waitFor();
    await page.keyboard.press('Enter');
  };

  const name = () => frame.locator('[data-testid=model]').textContent({ timeout: 1000 });

  test('a model that will not fit is asked about, with the numbers, and left when that is chosen', async () => {
    await select(join(models, 'too-large'));
    const dialog = page.locator('.monaco-dialog-box');
    await dialog.waitFor({ timeout: 60_000 });
    const said = (await dialog.textContent()) ?? '';
    expect(said).toMatch(/The model needs 4400\.\d GB, \d+\.\d GB free\. Load it anyway\?/);
    expect(said).toContain('too-large needs about 4400');
    for (const button of ['Load Anyway', 'Choose a Smaller Precision', 'Cancel'])
      expect(await dialog.getByRole('button', { name: button }).count()).toBe(1);
    await screenshot(page, 'loading-too-large');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(await name()).toContain('smollm2-135m-instruct');
    await expect.poll(() => notifications(page)).toEqual([]);
  });

  test.each([
    ['a-lora', 'a-lora', 'a-lora on smollm2-135m-instruct'],
    ['in-bfloat16', 'in-bfloat16', 'in-bfloat16'],
    ['model.Q8_0', 'model.Q8_0.gguf', 'model.Q8_0'],
  ])(
    '%s is selected by its path, and says what the plain library says',
    async (copy, path, called) => {
      await select(join(models, path));
      await expect.poll(() => name().catch(() => ''), { timeout: 240_000 }).toContain(called);
      const first = frame.locator('[data-testid=predictions] li').first();
      const said = truth[copy];
      await expect.poll(() => first.locator('.token').textContent()).toBe(visible(said?.text ?? ''));
      expectPercent((await first.locator('.number').textContent()) ?? '', said?.probability ?? 0);
      await expect.poll(() => notifications(page)).toEqual([]);
      if (copy === 'a-lora') await screenshot(page, 'loading-a-lora');
    },
    300_000,
  );
});
