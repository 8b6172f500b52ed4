import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import {
  kill,
  launchBrowser,
  notifications,
  openWorkbench,
  processes,
  quickInput,
  quickInputRow,
  type RemoteMachine,
  runCommand,
  type RunningServer,
  screenshot,
  startRemoteMachine,
} from './harness/index.ts';
import { analyze, expected, samples, startProduct, visible } from './product.ts';
import { chooseHost, CONNECT, farEnvironment, FarView } from './remote-steps.ts';

/** What pip and uv are told here, told to the machine on the other side too. */
function indexes(): Record<string, string> {
  const python = repositoryPython();
  const listed = execFileSync(python, ['-m', 'pip', 'config', 'list'], { encoding: 'utf8' });
  const valueOf = (name: string) => new RegExp(`\\.${name}='(.*)'`).exec(listed)?.[1];
  const found: Record<string, string | undefined> = {
    PIP_INDEX_URL: valueOf('index-url'),
    PIP_EXTRA_INDEX_URL: valueOf('extra-index-url'),
    PIP_FIND_LINKS: valueOf('find-links'),
    PIP_CERT: valueOf('cert'),
    SSL_CERT_FILE: valueOf('cert'),
    UV_DEFAULT_INDEX: valueOf('index-url'),
    UV_FIND_LINKS: valueOf('find-links'),
    HTTPS_PROXY: process.env['HTTPS_PROXY'] ?? process.env['https_proxy'],
    HTTP_PROXY: process.env['HTTP_PROXY'] ?? process.env['http_proxy'],
  };
  return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, string] => !!entry[1]));
}

describe('a fresh machine behind ssh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'prompts-'));
  const evil = join(folder, 'evil');
  let far: RemoteMachine;
  let view: FarView;
  let server: RunningServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [far, browser] = await Promise.all([startRemoteMachine({ ...farEnvironment(), ...indexes() }), launchBrowser()]);
    view = new FarView(far);
    installUv(join(far.home, '.local'));
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    mkdirSync(join(folder, '.vscode'));
    writeFileSync(evil, `#!/bin/sh\ntouch ${evil}.ran\n`, { mode: 0o755 });
    writeFileSync(
      join(folder, '.vscode', 'settings.json'),
      JSON.stringify({
        'lmTransparency.remote.sshPath': evil,
        'lmTransparency.remote.hosts': { gpubox: { python: evil, wrapper: [evil] } },
        'lmTransparency.backend.python': evil,
      }),
    );
    const machineSettings = { 'lmTransparency.remote.sshConfigFile': far.configFile };
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

  test.each([
    ['strange', /The host key of strange is not known yet\. Run `ssh strange` once/],
    ['changed', /changed shows another host key/],
    ['refusing', /refusing refused the login/],
    ['closed', /closed takes no ssh connections/],
    ['nowhere', /There is no host nowhere/],
  ])('%s: says what is in the way', async (host, words) => {
    await chooseHost(page, host);
    await expect.poll(() => notifications(page)).toEqual([expect.stringMatching(words)]);
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  test('the palette offers the hosts of the config and no patterns', async () => {
    await runCommand(page, CONNECT);
    await quickInputRow(page, 'gpubox').waitFor();
    const rows = await quickInput(page).locator('.monaco-list-row .label-name').allInnerTexts();
    expect(rows.map((row) => row.trim())).toEqual([
      'gpubox',
      'strange',
      'changed',
      'refusing',
      'closed',
      'crowded',
      'nowhere',
    ]);
    await screenshot(page, 'remote-hosts-dark');
    await quickInput(page).locator('input.input').fill('-oProxyCommand=touch${IFS}/tmp/lmt-pwned');
    await page.getByText('A host is a name of your ssh config').waitFor();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    expect(processes(/lmt-pwned/)).toEqual([]);
  });

  test('a disk that is too full is said before anything is installed', async ({ skip }) => {
    skip(!far.hasSmallDisk, 'only root can mount a small disk');
    await chooseHost(page, 'crowded');
    await quickInputRow(page, 'Set up an environment of its own there').click({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Set Up', exact: true }).click();
    const words = /Only 0\.1 GB are free on the disk of crowded/;
    await expect.poll(() => notifications(page)).toEqual([expect.stringMatching(words)]);
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  test('palette, host, consent: a fresh environment over there, and the graph is drawn', async () => {
    const begun = Date.now();
    await chooseHost(page, 'gpubox');
    await quickInputRow(page, 'Set up an environment of its own there').click({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Set Up', exact: true }).click();
    await page.getByText(/^Connected to gpubox/).waitFor({ timeout: 600_000 });
    console.log(`set up and connected in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
    await runCommand(page, 'Notifications: Clear All Notifications');
    const frame = await analyze(page);
    expect(await frame.locator('[data-testid=proof]').textContent()).toMatch(/parts = whole \d/);
    const truth = expected('ioi.prompt');
    const last = visible(truth.predictions.at(-1)?.[0]?.text ?? '');
    await frame.getByText(last).first().waitFor();
    expect(view.servers()).toHaveLength(1);
    const python = readFileSync(`/proc/${view.servers()[0]}/cmdline`, 'utf8').split('\0')[0];
    expect(python).toMatch(new RegExp(`^${far.home}/.local/share/lm-transparency/env/[0-9a-f]{8}/bin/python$`));
    await screenshot(page, 'remote-analysis-dark');
  }, 700_000);

  test('the settings of the workspace had no say in what was run', () => {
    expect(existsSync(`${evil}.ran`)).toBe(false);
  });
});

/** uv on the other side: what people have there, and quicker than pip. */
function installUv(prefix: string): void {
  const target = join(repositoryRoot, 'tests', 'e2e', '.uv');
  execFileSync(repositoryPython(), ['-m', 'pip', 'install', '--quiet', '--target', target, '--upgrade', 'uv']);
  execFileSync('mkdir', ['-p', join(prefix, 'bin')]);
  execFileSync('cp', [join(target, 'bin', 'uv'), join(prefix, 'bin', 'uv')]);
}
