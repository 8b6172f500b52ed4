import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { notifications, runCommand, screenshot, webviewFrame } from './harness/index.ts';
import { byTestId } from './harness/vitest.ts';
import { clickNode, selected, truthOf, visible } from '../panel/reading.ts';
import {
  inWords,
  longestWork,
  takeLongTasks,
  watchLongTasks,
  workInWords,
  worst,
  type LongTasks,
  type Work,
} from './long-tasks.ts';
import { logsIn, samples, type Product } from './product.ts';
import { FarView } from './remote-steps.ts';
import { useWindow } from './window.ts';

/** The text of ioi.prompt, and about 200 characters typed after it, at 10 a second. */
const { typed: whole } = truthOf<{ typed: { text: string; threshold: number; between: number } }>('routes');
const IOI = readFileSync(join(samples, 'ioi.prompt'), 'utf8');
const TYPED = whole.text.slice(IOI.length);
const EVERY_MS = 100;
/** So many of them before live mode is on. */
const WITHOUT = 100;

/** So many of them by keys; by the clock all. The rest comes at once. */
const KEYS = process.env['LMT_MORE'] ? TYPED.length : 60;

/** Times are checked only in a window that runs alone: in CI another one and its backend use the processor as well. */
const BY_THE_CLOCK = Boolean(process.env['LMT_MORE']);

/** Beside the model; what is typed here takes 90 MB. */
const MOST_MB = 120;

describe('live mode in the real VS Code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'live-'));
  const prompt = join(folder, 'ioi.prompt');
  const open = useWindow(folder);
  let server: Product;
  let page: Page;
  let frame: FrameLocator;

  const byId = byTestId(() => frame);
  const live = (says = 'Live') => page.locator('.statusbar').getByText(says, { exact: true });
  const logged = () => {
    const lines = logsIn(server.workDir, 'LM Transparency.log').split('\n');
    return lines.flatMap((line) => {
      const counts = /live: (\d+) analyses started, (\d+) superseded, (\d+) shown; .* for (\d+) ms/
        .exec(line)
        ?.slice(1);
      return counts ? [counts.map(Number)] : [];
    });
  };
  const typed = async (text: string): Promise<LongTasks> => {
    await takeLongTasks(page);
    await page.keyboard.type(text, { delay: EVERY_MS });
    if (BY_THE_CLOCK) await page.waitForTimeout(500);
    return takeLongTasks(page);
  };
  const erase = async () => {
    for (let key = 0; key < WITHOUT; key++) await page.keyboard.press('Backspace');
  };
  /** The window without live mode: its long tasks, and how long it is at work at once. */
  let plain: LongTasks;
  let plainWork: Work;

  beforeAll(async () => {
    cpSync(join(samples, 'ioi.prompt'), prompt);
    const machineSettings = { 'lmTransparency.analysis.askAboveMb': MOST_MB };
    ({ server, page } = await open({ folder, machineSettings }, { file: prompt }));
    await watchLongTasks(page);
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+End');
  });

  test('the command turns it on and shows the graph', async () => {
    if (BY_THE_CLOCK) {
      // the first keys of a window meet the end of its start
      await page.keyboard.type(TYPED.slice(0, WITHOUT), { delay: EVERY_MS / 4 });
      await erase();
      // the same keys without live mode: what a window that draws without a GPU takes on this machine
      [plain, plainWork] = await longestWork(page, () => typed(TYPED.slice(0, WITHOUT)));
      console.log(`typed ${WITHOUT} keys without live mode: ${inWords(plain)}; ${workInWords(plainWork)}`);
      await erase();
    }
    await runCommand(page, 'LM Transparency: Toggle Live Mode');
    await live().waitFor();
    frame = webviewFrame(page);
    await frame.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 180_000 });
    await byId('auto').waitFor();
    // threads of it step back, and the process a person waits for does not
    const [backend] = new FarView({ runtime: server.runtime, configFile: '' }).servers();
    expect(getPriority(backend)).toBe(getPriority());
    await byId('threshold').focus();
    for (let step = 0; step < 3; step++) await page.keyboard.press('ArrowRight');
    await clickNode(page, frame, 'A23_13');
  });

  test('characters at 10 a second: the graph follows, what is looked at stays, the last state is right', async () => {
    const at = await selected(frame);
    const threshold = await byId('threshold').inputValue();
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+End');
    const [tasks, atWork] = await longestWork(page, () => typed(TYPED.slice(0, KEYS)));
    if (KEYS < TYPED.length) await page.keyboard.insertText(TYPED.slice(KEYS));
    await screenshot(page, 'live-updating');
    const last = visible(TYPED.slice(TYPED.lastIndexOf(' ')));
    await expect.poll(() => frame.locator('.chip.target').textContent(), { timeout: 60_000 }).toBe(last);
    await expect.poll(() => byId('updating').count()).toBe(0);
    expect(await selected(frame)).toBe(at);
    expect(await byId('threshold').inputValue()).toBe(threshold);
    // a rest between two keys has a line, too, and the last line is written after the graph is shown
    const isWhole = () => {
      const [, superseded = 0, shown = 0] = logged().at(-1) ?? [];
      return superseded > 0 && shown > 1;
    };
    await expect.poll(isWhole, { timeout: 20_000 }).toBe(true);
    const [started = 0, superseded = 0, shown = 0, held = 0] = logged().at(-1) ?? [];
    console.log(
      `typed ${KEYS} keys: ${started} analyses started, ${superseded} superseded, ${shown} shown; ` +
        `${inWords(tasks)}; ${workInWords(atWork)}; ` +
        `the extension host was held up for at most ${held} ms`,
    );
    if (BY_THE_CLOCK) {
      // the editor is not blocked, or no longer than it blocks itself without live mode
      expect(atWork.atOnce).toBeLessThanOrEqual(Math.max(50, plainWork.atOnce));
      // by the clock, what is ours holds nobody up for longer than the workbench itself does, but by accident
      const bound = Math.max(50, worst(plain.workbench), worst(tasks.workbench));
      expect(tasks.panel.filter((duration) => duration > bound).length).toBeLessThan(2);
      // the host shares the processor with all the rest, and one wait among two thousand looks is an accident
      expect(held).toBeLessThanOrEqual(4 * bound);
    }
    expect(superseded + shown).toBe(started);
    expect(superseded).toBeGreaterThan(0);
    expect(shown).toBeGreaterThan(1);
    // the graph is the one of the whole text
    await byId('auto').click();
    await expect.poll(() => byId('edge-count').textContent()).toContain(`${whole.between} `);
    expect(Number(await byId('threshold-value').inputValue())).toBeCloseTo(whole.threshold, 3);
    await screenshot(page, 'live');
  });

  test('a prompt that is too long to follow is offered to be analyzed once, and nothing pops up', async () => {
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+End');
    const before = await frame.locator('.chip.target').textContent();
    await page.keyboard.insertText(TYPED.repeat(2));
    await live('Live: Too Long').waitFor();
    await byId('updating')
      .getByText(/^Too long to follow as you type: \d+ tokens take/)
      .waitFor();
    await page.keyboard.type(' there');
    await page.waitForTimeout(1000);
    expect(await byId('updating').textContent()).toMatch(/^Too long to follow/);
    expect(await notifications(page)).toEqual([]);
    expect(await frame.locator('.chip.target').textContent()).toBe(before);
    await screenshot(page, 'live-too-long');
    await byId('updating').getByRole('button', { name: 'Analyze Once' }).click();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await expect.poll(() => frame.locator('.chip.target').textContent(), { timeout: 120_000 }).toBe('·there');
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText('When Mary and John went home');
    await expect.poll(() => frame.locator('.chip.target').textContent(), { timeout: 120_000 }).toBe('·home');
    await live().waitFor();
    expect(await notifications(page)).toEqual([]);
  });

  test('an empty prompt leaves the graph and says why; the command turns it off', async () => {
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+a');
    await page.keyboard.press('Delete');
    await byId('updating').getByText('is empty').waitFor();
    await frame.locator('[data-testid=panel][data-state=ready]').waitFor();
    await runCommand(page, 'LM Transparency: Toggle Live Mode');
    await live().waitFor({ state: 'hidden' });
  });
});
