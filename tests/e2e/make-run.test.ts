import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import { notifications, waitForWorkbench } from './harness/index.ts';
import { connectBrowser } from './harness/vitest.ts';
import { analyze, samples, startProduct, vsix } from './product.ts';

/** What `make run` does once everything is built, on a machine without VS Code of its own. */
function run(runtime: string): ChildProcess {
  const script = join(repositoryRoot, 'scripts', 'run.mjs');
  const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return spawn(process.execPath, [script, vsix, samples], {
    // the backend of this worker has the model already
    env: { ...process.env, PATH, LM_TRANSPARENCY_RUNTIME_DIR: runtime },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

let browser: Browser;
let product: ChildProcess;

beforeAll(async () => {
  browser = await connectBrowser();
  product = run((await startProduct()).runtime);
});

afterAll(async () => {
  await browser.close();
  if (product.exitCode === null) {
    product.kill('SIGINT');
    await once(product, 'exit');
  }
});

test('make run prints one address, where the sample is open and Analyze Prompt draws its graph', async () => {
  const lines: string[] = [];
  if (!product.stdout) throw new Error('its output is not piped');
  const reader = createInterface(product.stdout);
  reader.on('line', (line) => lines.push(line));
  await once(reader, 'line');
  expect(lines).toHaveLength(1);
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await page.goto(lines[0] ?? '');
  await waitForWorkbench(page);
  await page.locator('.tab.active[data-resource-name="ioi.prompt"]').waitFor();
  await page.locator('.view-lines', { hasText: 'When' }).first().waitFor();
  const frame = await analyze(page);
  expect(await frame.locator('[data-testid=proof]').textContent()).toMatch(/adds up ✓ \d/);
  expect(await notifications(page)).toEqual([]);
});
