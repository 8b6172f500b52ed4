import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { repositoryPython } from '../../scripts/host/paths.mjs';
import {
  kill,
  launchBrowser,
  openFile,
  openWorkbench,
  processes,
  type RemoteMachine,
  runCommand,
  type RunningServer,
  screenshot,
  startRemoteMachine,
  waitUntil,
  webviewFrame,
} from './harness/index.ts';
import { analyze, samples, startProduct } from './product.ts';
import { chooseHost, farEnvironment, FarView } from './remote-steps.ts';

const LONG = Array.from({ length: 25 }, (_, i) => `The number ${i} follows ${i - 1}.`).join(' ');

describe('the link to a backend', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prompts-'));
  let far: RemoteMachine;
  let view: FarView;
  let server: RunningServer;
  let browser: Browser;
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    writeFileSync(join(folder, 'long.prompt'), LONG);
    [far, browser] = await Promise.all([startRemoteMachine(farEnvironment()), launchBrowser()]);
    view = new FarView(far);
    const machineSettings = {
      'lmTransparency.remote.sshConfigFile': far.configFile,
      // as a cluster's `srun` would stand before it
      'lmTransparency.remote.hosts': { gpubox: { python: repositoryPython(), wrapper: ['nice', '-n', '1'] } },
    };
    server = await startProduct({ folder, python: '', machineSettings });
    page = await openWorkbench(browser, server, { file: join(folder, 'ioi.prompt') });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    for (const pid of view?.servers() ?? []) kill(pid, 'SIGKILL');
    await far?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await screenshot(page, `failed-${task.name.replaceAll(/\W+/g, '-')}`);
  });

  test('the interpreter and the command before it are those of the setting', async () => {
    await chooseHost(page, 'gpubox');
    await page.getByText(/^Connected to gpubox/).waitFor({ timeout: 60_000 });
    await runCommand(page, 'Notifications: Clear All Notifications');
    frame = await analyze(page);
    expect(view.servers()).toHaveLength(1);
    expect(nicenessOf(view.servers()[0] ?? 0)).toBe(1);
  });

  async function inspectAgain(position: number): Promise<void> {
    await frame.locator(`[data-testid=token-${position}]`).first().click();
    await frame.locator('[data-testid=auto]').click();
    const all = frame.getByRole('button', { name: /^Show all/ });
    if ((await all.count()) > 0) await all.click();
    await frame.locator(`[data-testid=twin] [data-name="I9_${position}"]`).click();
    await frame.locator('[data-testid=top-tokens] li').first().waitFor({ timeout: 60_000 });
  }

  const breaks: [string, () => void][] = [
    ['its ssh process is killed', () => view.links().forEach((pid) => kill(pid, 'SIGKILL'))],
    ["sshd's session is killed", () => far.sessions().forEach((pid) => kill(pid, 'SIGKILL'))],
    ['its ssh process is frozen', () => view.links().forEach((pid) => kill(pid, 'SIGSTOP'))],
  ];

  test.each(breaks)('when %s while nothing runs, the same process is joined again', async (_, breakIt) => {
    const before = view.servers();
    const analyses = view.count('Analyzed');
    const clients = view.count('was lost');
    const begun = Date.now();
    breakIt();
    await waitUntil(() => view.count('was lost') > clients && view.links().length === 1, 'reconnected', 60_000);
    await frame.locator('[data-testid=offline]').waitFor({ state: 'hidden', timeout: 30_000 });
    console.log(`${_}: reconnected after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    await inspectAgain(5);
    expect(view.servers()).toEqual(before);
    // neither a new process nor an analysis made anew
    expect(view.count('Analyzed')).toBe(analyses);
  });

  test.each(breaks.slice(0, 2))('when %s during an analysis, it is drawn nevertheless', async (_, breakIt) => {
    const before = view.servers();
    const loads = view.count(': Loaded ');
    await openFile(page, 'long.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    frame = webviewFrame(page);
    await frame
      .getByText(/layer \d+ of 30/)
      .first()
      .waitFor({ timeout: 60_000 });
    breakIt();
    await frame.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 120_000 });
    expect(view.servers()).toEqual(before);
    expect(view.count(': Loaded ')).toBe(loads);
  });

  test('the log of the window and of the server hold no prompt', () => {
    const logFiles = execFileSync('find', [server.workDir, '-name', '*LM Transparency*.log'], { encoding: 'utf8' });
    const text = logFiles
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((file) => readFileSync(file, 'utf8'))
      .join('');
    expect(text).toContain('backend 0.1.0 runs');
    expect(text + view.log()).not.toMatch(/Mary|store|gave a drink/);
  });

  test('a killed server is said to be killed, and the next analysis works', async () => {
    const [before] = view.servers();
    kill(before ?? 0, 'SIGKILL');
    await waitUntil(() => view.servers().length === 1 && view.servers()[0] !== before, 'another server', 60_000);
    frame = await analyze(page);
    expect(await frame.locator('[data-testid=proof]').textContent()).toMatch(/parts = whole \d/);
  });

  test('after Use Local Backend and the grace nothing is left over there', async () => {
    await runCommand(page, 'LM Transparency: Use Local Backend');
    await waitUntil(() => view.links().length === 0 && view.servers().length === 0, 'everything ended', 60_000);
    expect(far.sessions()).toEqual([]);
    // its keeper looks twice a second
    await waitUntil(() => processes(new RegExp(far.home)).length === 0, 'the keeper ended');
    expect(view.sockets()).toEqual([]);
    console.log('left behind: 0 processes, 0 sessions, 0 sockets');
  });
});

function nicenessOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'ni=', '-p', String(pid)], { encoding: 'utf8' }));
}
