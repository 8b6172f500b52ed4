import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startJupyterLab, type RunningLab } from '../../scripts/host/jupyter.mjs';
import { guardNetwork, screenshot } from './harness/index.ts';
import { byTestId, connectBrowser, pictureFailures } from './harness/vitest.ts';
import {
  clickNode,
  expectShare,
  expectTop,
  expectUpdate,
  inspector,
  pictures,
  truthOf,
  type Ranked,
  type Update,
} from '../panel/reading.ts';
import { samples } from './product.ts';

const NOTEBOOK = 'first-analysis.ipynb';
const NODE = 'A23_13';
const EDGE = 'attention:I22_1>A23_13';

interface Truth {
  [NODE]: { normed: Update & { top: Ranked[] } };
  [EDGE]: { heads: { head: number; contribution: number; probability: number }[] };
}

interface Lab {
  jupyterapp: { commands: { execute(command: string, options?: object): Promise<unknown> } };
}

describe('a graph in the cell of a real JupyterLab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'notebook-'));
  let lab: RunningLab;
  let browser: Browser;
  let page: Page;
  const truth = truthOf<Truth>('inspectors');
  let outside: readonly string[];

  pictureFailures(() => page);
  const output = (): Locator => page.locator('.lm-transparency');
  const frame = (): FrameLocator => output().locator('iframe').contentFrame();
  const body = () => frame().locator('body');
  const byId = byTestId(frame);
  const drawn = () => frame().locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 120_000 });
  const command = (name: string, options = {}) =>
    page.evaluate(([id, given]) => (window as unknown as Lab).jupyterapp.commands.execute(id, given), [
      name,
      options,
    ] as const);
  const kernelIs = (status: string) =>
    page.locator('#jp-main-statusbar').getByText(`Python 3 | ${status}`).waitFor({ timeout: 60_000 });
  const saved = () => JSON.parse(readFileSync(join(folder, NOTEBOOK), 'utf8')) as { cells: { outputs?: object[] }[] };

  beforeAll(async () => {
    cpSync(join(samples, NOTEBOOK), join(folder, NOTEBOOK));
    [lab, browser] = await Promise.all([startJupyterLab({ folder }), connectBrowser()]);
    page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    outside = guardNetwork(page);
    await page.goto(lab.urlOf(NOTEBOOK));
    await kernelIs('Idle');
    await command('application:toggle-left-area');
  });

  afterAll(async () => {
    await browser.close();
    await lab.stop();
    rmSync(folder, { recursive: true });
  });

  test('running the cell draws it, in the colours of the notebook, and the kernel can be asked', async () => {
    await page.locator('.jp-CodeCell .cm-content').first().click();
    await page.keyboard.press('Shift+Enter');
    await drawn();
    await expect.poll(() => body().getAttribute('class')).toContain('live');
    expect(await byId('token-13').first().textContent()).toContain('to');
    expect((await output().boundingBox())?.height).toBe(560);
    for (const [theme, name, ground] of [
      ['JupyterLab Light', 'light', 'rgb(255, 255, 255)'],
      ['JupyterLab Dark', 'dark', 'rgb(17, 17, 17)'],
    ] as const) {
      await command('apputils:change-theme', { theme });
      await expect.poll(() => body().evaluate((element) => getComputedStyle(element).backgroundColor)).toBe(ground);
      await expect.poll(() => body().getAttribute('class')).toContain(`vscode-${name}`);
      if (pictures) await page.waitForTimeout(600);
      await screenshot(page, `notebook-${name}`, name === 'dark' ? pictures : undefined);
    }
  });

  test('what is clicked is answered with the numbers of plain torch', async () => {
    const panel = inspector(frame());
    await clickNode(page, frame(), NODE);
    await expectTop(panel, truth[NODE].normed.top);
    await expectUpdate(panel, '', truth[NODE].normed);
    await panel.locator('[data-testid="made-of"]').getByRole('button', { name: '·Mary' }).first().click();
    await expect.poll(() => byId('heads').locator('.figure').last().textContent()).not.toBe('');
    for (const { head, contribution, probability } of truth[EDGE].heads) {
      const row = byId('heads').locator(`button[data-head="${head}"]`);
      expectShare((await row.locator('.number').textContent()) ?? '', contribution);
      expectShare((await row.locator('.figure').textContent()) ?? '', probability);
    }
    await byId('map-attention').waitFor();
    await screenshot(page, 'notebook-asked');
  });

  test('a page that is reloaded finds the kernel again', async () => {
    await command('docmanager:save');
    await expect.poll(() => saved().cells[1]?.outputs?.length).toBeGreaterThan(0);
    expect(statSync(join(folder, NOTEBOOK)).size).toBeLessThan(250_000);
    await page.reload();
    await drawn();
    await expect.poll(() => body().getAttribute('class')).toContain('live');
    await clickNode(page, frame(), NODE);
    await byId('top-tokens').waitFor();
  });

  test('what cannot be shown is a sentence, and no traceback', async () => {
    const area = page.locator('.jp-CodeCell').nth(1).locator('.jp-OutputArea-output').last();
    await page.locator('.jp-CodeCell .cm-content').last().click();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('from lm_transparency import show\nshow("")');
    await page.keyboard.press('Shift+Enter');
    await expect.poll(() => area.innerText(), { timeout: 60_000 }).toContain('TransparencyError: The prompt is empty');
    expect(await area.innerText()).not.toContain('Traceback');
    await command('docmanager:save');
  });

  test('when the kernel goes the graph stays, says that it is a recording, and asks nothing', async () => {
    await command('notebook:shutdown-kernel');
    await page.reload();
    await drawn();
    await expect.poll(() => frame().locator('.page-line').innerText()).toContain('To ask the model, run the cell.');
    expect((await output().boundingBox())?.height).toBe(560);
    await clickNode(page, frame(), NODE);
    await frame().getByText('This page is a recording').first().waitFor();
    await screenshot(page, 'notebook-recording');
    expect(outside).toEqual([]);
  });
});
