/** The first graph, and a click, with effects measured behind the drawing and without, in turns, in the real VS Code. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser, openFile, openWorkbench, webviewFrame, type RunningServer } from '../e2e/harness/index.ts';
import { analyze, nextGraph, startProduct } from '../e2e/product.ts';

const TURNS = 10;
const PROMPT =
  'When Mary and John went to the store, John gave a drink to Mary. Later that day the two walked home along the ' +
  'river, talked about the war and counted the boats. When Mary and John came home, John gave a drink to';

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
let server: RunningServer;
let browser: Browser;
let page: Page;
const report: string[] = [];

beforeAll(async () => {
  for (const name of ['a', 'b']) writeFileSync(join(folder, `${name}.prompt`), `${name.toUpperCase()}. ${PROMPT}`);
  [server, browser] = await Promise.all([startProduct({ folder, own: true }), launchBrowser()]);
  page = await openWorkbench(browser, server);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
  rmSync(folder, { recursive: true });
  console.log(['', ...report, ''].join('\n'));
});

const median = (times: number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? NaN;

/** Effects are being measured, or what there was to measure is measured. */
const going = (frame: FrameLocator) => frame.locator('[data-testid=trust-going]');
const setMeasure = (n: number) => server.writeUserSettings({ 'lmTransparency.effects.measure': n });

function compare(name: string, times: Record<'with' | 'without', number[]>): void {
  const [on, off] = [median(times.with), median(times.without)];
  const ratio = (on / off).toFixed(2);
  report.push(
    `${name}: ${on.toFixed(0)} ms with effects, ${off.toFixed(0)} ms without, ratio ${ratio} (${TURNS} turns)`,
  );
}

test('the first graph, while effects of the prompt before are measured', async () => {
  const times = { with: [] as number[], without: [] as number[] };
  for (const name of ['a', 'b']) {
    await openFile(page, `${name}.prompt`);
    await analyze(page);
  }
  for (let turn = 0; turn < 2 * TURNS; turn++) {
    const measures = turn % 2 === 0;
    setMeasure(measures ? 60 : 0);
    await openFile(page, turn % 4 < 2 ? 'a.prompt' : 'b.prompt');
    // a graph whose effects are measured, or not
    const before = await analyze(page);
    if (measures) await going(before).waitFor({ timeout: 60_000 });
    else await page.waitForTimeout(500);
    const started = performance.now();
    await nextGraph(page, () => page.keyboard.press('Control+k').then(() => page.keyboard.press('Control+Enter')));
    times[measures ? 'with' : 'without'].push(performance.now() - started);
  }
  compare('key to first graph', times);
  expect(times.with).toHaveLength(TURNS);
});

test('a click, while effects are measured', async () => {
  const times = { with: [] as number[], without: [] as number[] };
  for (let turn = 0; turn < 2 * TURNS; turn++) {
    const measures = turn % 2 === 0;
    setMeasure(measures ? 60 : 0);
    await openFile(page, turn % 4 < 2 ? 'a.prompt' : 'b.prompt');
    await analyze(page);
    const frame = webviewFrame(page);
    if (measures) await going(frame).waitFor({ timeout: 60_000 });
    else await page.waitForTimeout(500);
    const rows = frame.locator('[data-testid=twin] [data-name^=I]');
    times[measures ? 'with' : 'without'].push(
      await rows.nth(turn % 8).evaluate(async (row) => {
        const started = performance.now();
        (row as HTMLElement).click();
        while (!document.querySelector('[data-testid=top-tokens] li')) await new Promise(requestAnimationFrame);
        return performance.now() - started;
      }),
    );
    await frame.getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');
  }
  compare('click to top tokens', times);
  expect(times.with).toHaveLength(TURNS);
});
