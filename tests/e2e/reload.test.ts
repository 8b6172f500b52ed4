import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { notifications, openWorkbench, reloadWindow, runCommand, waitUntil, webviewFrame } from './harness/index.ts';
import { analyze, samples, type Product } from './product.ts';
import { FarView } from './remote-steps.ts';
import { useWindow } from './window.ts';

const RELOADS = Number(process.env['LMT_RELOADS'] ?? 3);

describe('windows of this machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prompts-'));
  const open = useWindow(folder);
  let server: Product;
  let view: FarView;
  let browser: Browser;
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    ({ server, browser, page } = await open({ folder, own: true }, { file: join(folder, 'ioi.prompt') }));
    view = new FarView({ runtime: server.runtime, configFile: '' });
  });

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.log(view.log());
  });

  test('a window that is reloaded again and again keeps one process, its model and its analyses', async () => {
    frame = await analyze(page);
    const [before] = view.servers();
    const sizes = [memoryOf(before ?? 0)];
    for (let i = 0; i < RELOADS; i += 1) {
      await reloadWindow(page);
      frame = webviewFrame(page);
      await frame.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 60_000 });
      // a question: the process has to be joined, and to know the analysis still
      await frame
        .locator(`[data-testid=token-${1 + (i % 5)}]`)
        .first()
        .click();
      await frame.locator('[data-testid=auto]').click();
      const clients = () => view.count('client left') + view.count('was lost');
      await waitUntil(() => clients() > i, 'the window before has left');
      sizes.push(memoryOf(before ?? 0));
    }
    frame = await analyze(page);
    expect(view.servers()).toEqual([before]);
    expect(view.count(': Loaded ')).toBe(1);
    console.log(`${RELOADS} reloads, one process; memory in MB: ${sizes.join(' ')}`);
    expect(sizes.at(-1) ?? 0).toBeLessThan(1.1 * (sizes[1] ?? 0));
  }, 600_000);

  test('a second window joins the same process, and asks it at the same time', async () => {
    const [before] = view.servers();
    const second = await openWorkbench(browser, server, { file: join(folder, 'ioi.prompt') });
    await Promise.all([analyze(page), analyze(second)]);
    expect(view.servers()).toEqual([before]);
    await second.context().close();
  });

  test('a process that crashes is restarted, and the next analysis works', async () => {
    const [before] = view.servers();
    process.kill(before ?? 0, 'SIGSEGV');
    await waitUntil(() => view.servers().length === 1 && view.servers()[0] !== before, 'another process', 60_000);
    await webviewFrame(page).locator('[data-testid=panel][data-state=ready]').waitFor();
    // the other window may have been first: a bridge looks for two seconds why its server ended
    await page.waitForTimeout(3000);
    frame = await analyze(page);
    expect(await notifications(page)).toEqual([]);
    const log = execFileSync('find', [server.workDir, '-name', '*LM Transparency*.log'], { encoding: 'utf8' }).trim();
    const text = log.split('\n').map((file) => readFileSync(file, 'utf8'));
    expect(text.join('')).toContain('Segmentation fault');
  });

  test('Restart Backend makes a fresh process', async () => {
    const [before] = view.servers();
    await runCommand(page, 'LM Transparency: Restart Backend');
    await waitUntil(() => view.servers().length === 1 && view.servers()[0] !== before, 'a fresh process', 60_000);
  });
});

/** Resident memory in MB. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}
