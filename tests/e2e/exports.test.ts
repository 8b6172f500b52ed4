import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { cellsOf, expectAlive } from '../panel/exported.ts';
import { COMPARED } from '../panel/reading.ts';
import { notifications, pickInQuickInput, quickInput, runCommand } from './harness/index.ts';
import { byTestId } from './harness/vitest.ts';
import { analyze, samples } from './product.ts';
import { useWindow } from './window.ts';

/** The strongest route of ioi.prompt. */
const EDGE = 'attention:I22_1>A23_13';

// what the files hold: tests/panel/exports.test.ts
describe('what one sees, saved and copied by VS Code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exports-'));
  const open = useWindow(folder);
  let browser: Browser;
  let page: Page;
  let frame: FrameLocator;

  const byId = byTestId(() => frame);
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');

  beforeAll(async () => {
    const opened = await open({}, { file: join(samples, 'ioi.prompt') });
    ({ browser, page } = opened);
    const origin = opened.server.origin;
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
    frame = await analyze(page);
    // exports have the effects that are known by then
    await frame.locator('[data-testid=trust-said]', { hasText: COMPARED }).waitFor({ timeout: 60_000 });
  });

  /** Types a path into the save dialog that has come; `proposed` is the name that it begins with. */
  async function saveAs(name: string, proposed: string): Promise<void> {
    const input = quickInput(page).locator('input.input');
    await expect.poll(() => input.inputValue()).toBe(join(samples, proposed));
    const path = join(folder, name);
    await input.fill(path);
    // the dialog looks into the folder first, and hears no Enter meanwhile
    const isHeard = async () => !(await input.isVisible()) || overwriting().isVisible();
    const accepted = async () => {
      await page.waitForTimeout(300);
      if (await isHeard()) return true;
      await input.press('Enter', { timeout: 2000 });
      // time to look whether the file is there: one more Enter would answer that it is to be replaced
      await expect.poll(isHeard, { timeout: 2000 }).toBe(true);
      return true;
    };
    await expect.poll(accepted).toBe(true);
  }

  const overwriting = () => quickInput(page).getByText('already exists');

  const written = async (name: string) => {
    await expect.poll(() => existsSync(join(folder, name))).toBe(true);
    await expect.poll(() => notifications(page)).toContain(`Saved ${name}.`);
    await runCommand(page, 'Notifications: Clear All Notifications');
  };

  async function fromMenu(format: string, name: string, proposed = `ioi-token-13.${format}`): Promise<void> {
    await byId('export').click();
    await byId(`export-${format}`).click();
    await saveAs(name, proposed);
    await written(name);
  }

  async function fromCommand(label: string, name: string, proposed: string): Promise<void> {
    await runCommand(page, 'LM Transparency: Export Graph…');
    await pickInQuickInput(page, label, label);
    await saveAs(name, proposed);
    await written(name);
  }

  test('JSON, by the command', async () => {
    await fromCommand('JSON', 'graph.json', 'ioi-token-13.json');
    const { edges, tokens } = JSON.parse(read('graph.json')) as { edges: object[]; tokens: { text: string }[] };
    expect(edges.length).toBeGreaterThan(100);
    expect(tokens.map(({ text }) => text).join('')).toBe(readFileSync(join(samples, 'ioi.prompt'), 'utf8').trimEnd());
  });

  test('SVG from the menu; a file that is there is replaced only when one says so', async () => {
    await fromMenu('svg', 'graph.svg');
    expect(read('graph.svg')).toContain('<svg');
    writeFileSync(join(folder, 'taken.svg'), 'taken');
    const text = () => read('taken.svg');
    await fromMenuOver('svg', 'taken.svg');
    // it leads back to the dialog, which is left as well
    await quickInput(page).getByRole('button', { name: 'Cancel' }).click();
    await quickInput(page).getByText('Show Local').waitFor();
    await page.keyboard.press('Escape');
    await quickInput(page).waitFor({ state: 'hidden' });
    expect(text()).toBe('taken');
    await fromMenuOver('svg', 'taken.svg');
    await page.keyboard.press('Enter');
    await expect.poll(text).toBe(read('graph.svg'));
    await written('taken.svg');
  });

  /** Saves over a file, up to the question that follows. */
  async function fromMenuOver(format: string, name: string): Promise<void> {
    await byId('export').click();
    await byId(`export-${format}`).click();
    await saveAs(name, `ioi-token-13.${format}`);
    await overwriting().waitFor();
  }

  test('a table is copied to the clipboard as it is saved', async () => {
    await byId('twin').locator('button[data-name]').first().click();
    // the whole table: what is answered between copying and saving would be in the file alone
    const answered = 'button[title*="attention probability"][title*="repeated random tokens"]';
    await byId('heads').locator(answered).first().waitFor({ timeout: 60_000 });
    await byId('heads').locator('.says .token').first().waitFor();
    await expect.poll(() => byId('heads').locator('.effect-figure.measured').count()).toBe(9);
    await byId('copy-heads').click();
    // the clipboard is read by a window that has the focus
    await page.locator('.view-line').first().click();
    let tsv = '';
    // the editor copies, some time after the click
    await expect.poll(async () => (tsv = await page.evaluate(() => navigator.clipboard.readText()))).toContain('\t');
    await byId('save-heads').click();
    await saveAs('heads.csv', 'heads-attention_I22_1-A23_13.csv');
    await written('heads.csv');
    const copied = tsv.trimEnd().split('\n');
    expect(cellsOf(read('heads.csv'))).toEqual(copied.map((line) => line.split('\t')));
  });

  test('the HTML page lives without VS Code and without a network', async () => {
    await fromMenu('html', 'page.html', 'ioi.html');
    await expectAlive(browser, pathToFileURL(join(folder, 'page.html')).href, {
      ...{ selected: EDGE, first: ' Mary', views: null },
    });
  });
});
