import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { launchBrowser, openFile, openWorkbench, runCommand, webviewFrame } from './harness/index.ts';
import { samples, startProduct } from './product.ts';
import { FarView } from './remote-steps.ts';

const ROUNDS = 3;
/** What two others on each core leave is a third, so it takes three times as long; a start that starves takes sixty. */
const MOST = 6;

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).reverse()) await end();
});

/** Two processes a core that do nothing but compute, each in a session of its own. */
function keepBusy(): () => void {
  const spin = (): ChildProcess => spawn(process.execPath, ['-e', 'for (;;);'], { detached: true, stdio: 'ignore' });
  const spinning = Array.from({ length: 2 * availableParallelism() }, spin);
  const end = () => spinning.forEach((process) => process.kill('SIGKILL'));
  ended.push(end);
  return end;
}

/** From Analyze in a window that has started nothing before, to the drawn graph. */
async function firstGraph(busy: boolean): Promise<{ seconds: number; backend: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'busy-'));
  cpSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
  const server = await startProduct({ folder, own: true });
  ended.push(() => rmSync(folder, { recursive: true, force: true }), server.stop);
  const browser = await launchBrowser();
  ended.push(() => browser.close());
  const relax = busy ? keepBusy() : () => undefined;
  const page = await openWorkbench(browser, server);
  const begun = performance.now();
  await openFile(page, 'ioi.prompt');
  await runCommand(page, 'LM Transparency: Analyze Prompt');
  const frame = webviewFrame(page);
  await frame.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 600_000 });
  await frame.locator('[data-testid=graph-canvas]').waitFor();
  const seconds = (performance.now() - begun) / 1000;
  relax();
  const [pid = 0] = new FarView({ runtime: server.runtime, configFile: '' }).servers();
  const backend = `niceness ${getPriority(pid)}, ${told(`/proc/${pid}/autogroup`)}`;
  for (const end of ended.splice(0).reverse()) await end();
  return { seconds, backend };
}

function told(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return `no ${file}`;
  }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

test('a fresh start beside two busy processes a core draws the graph in less than six times the quiet time', async () => {
  const quiet: number[] = [];
  const busy: number[] = [];
  let backend = '';
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push((await firstGraph(false)).seconds);
    const found = await firstGraph(true);
    busy.push(found.seconds);
    backend = found.backend;
  }
  const ratio = median(busy) / median(quiet);
  const inWords = (values: number[]) => values.map((value) => value.toFixed(1)).join(', ');
  console.log(
    `first graph, quiet: ${inWords(quiet)} s; busy: ${inWords(busy)} s; ratio of the medians ${ratio.toFixed(2)}\n` +
      `${availableParallelism()} cores; sched_autogroup_enabled ${told('/proc/sys/kernel/sched_autogroup_enabled')}; ` +
      `backend: ${backend}`,
  );
  expect(ratio).toBeLessThan(MOST);
}, 3_600_000);
