import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import {
  childrenOf,
  kill,
  notifications,
  openFile,
  processes,
  quickInput,
  quickInputRow,
  type RemoteMachine,
  runCommand,
  screenshot,
  startRemoteMachine,
  waitUntil,
  webviewFrame,
} from './harness/index.ts';
import { expectDecimals } from '../panel/reading.ts';
import { byTestId } from './harness/vitest.ts';
import { analyze, logsIn, samples, type Product } from './product.ts';
import { allMeasured, EVERY, faultTests } from './remote-faults.ts';
import { chooseHost, CONNECT, farEnvironment, FarView } from './remote-steps.ts';
import { useWindow } from './window.ts';

const SECRET = 'Zanzibar-7431';
const TOKEN = 'hf_notToBeSeenAnywhere';
/** Of what `lm-transparency effects --format json` writes. */
interface EffectsFile {
  units: { predicted: number; measured: number }[];
}

const LONG = Array.from({ length: 60 }, (_, i) => `The number ${i} follows ${i - 1}.`).join(' ');

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
  /** What `cluster` runs in its jobs. */
  let jobs: FarView;
  let server: Product;
  let page: Page;

  // before the window's own: it is run after it
  afterAll(async () => {
    for (const pid of [view, jobs].flatMap((one) => one?.servers() ?? [])) kill(pid, 'SIGKILL');
    await far?.stop();
  });
  const open = useWindow(folder);

  afterEach(({ task }) => {
    if (task.result?.state === 'fail')
      console.log(`this side:\n${ourLog('LM Transparency.log').slice(-6000)}\nthat side:\n${farLog().slice(-6000)}`);
  });

  beforeAll(async () => {
    far = await startRemoteMachine({ ...farEnvironment(), ...indexes(), HF_TOKEN: TOKEN });
    view = new FarView(far);
    if (EVERY) installUv(join(far.home, '.local'));
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    writeFileSync(join(folder, 'secret.prompt'), `${SECRET} is what Mary told John at the store, and John told`);
    writeFileSync(join(folder, 'long.prompt'), `${SECRET}. ${LONG}`);
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
    mkdirSync(join(far.home, 'job'), { mode: 0o700 });
    jobs = new FarView({ runtime: join(far.home, 'job'), configFile: far.configFile });
    const machineSettings = {
      'lmTransparency.remote.sshConfigFile': far.configFile,
      'lmTransparency.remote.hosts': { cluster: { wrapper: inAJob(join(far.home, 'job')) } },
    };
    const userSettings = {
      'security.workspace.trust.enabled': true,
      'security.workspace.trust.startupPrompt': 'never',
    };
    const env = { LM_TRANSPARENCY_SILENCE_S: '6' };
    const product = { folder, python: '', machineSettings, userSettings, withTrust: true, env };
    ({ server, page } = await open(product, { file: join(folder, 'ioi.prompt') }));
  });

  const farLog = () => view.log() + jobs.log();
  const ourLog = (name = '*.log') => logsIn(server.workDir, name);

  test('a workspace that is not trusted starts no process', async () => {
    await page.getByText('Restricted Mode').first().waitFor();
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    const frame = webviewFrame(page);
    await frame.getByText('This workspace is not trusted, so no process is started for it.').waitFor();
    await runCommand(page, CONNECT);
    await expect.poll(() => notifications(page)).toEqual([expect.stringMatching(/not trusted/)]);
    expect(childrenOf(server.processGroup).filter((pid) => /python|ssh|evil/.test(commandOf(pid)))).toEqual([]);
    expect([readdirSync(server.runtime), view.links(), view.log()]).toEqual([[], [], '']);
    await screenshot(page, 'untrusted-dark');
    await frame.getByRole('button', { name: 'Manage Workspace Trust' }).click();
    await page.getByRole('button', { name: 'Trust', exact: true }).click();
    await page.getByText('You trust this folder').waitFor();
    await runCommand(page, 'View: Close Editor');
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  test('in one that is trusted, its settings name no interpreter', async () => {
    await openFile(page, 'ioi.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await webviewFrame(page).getByRole('button', { name: 'Set Up Backend' }).waitFor({ timeout: 60_000 });
    expect(existsSync(`${evil}.ran`)).toBe(false);
    await runCommand(page, 'View: Close All Editors');
  });

  test.each([
    ['strange', /The host key of strange is not known yet\. Run `ssh strange` once/],
    ['changed', /changed presents a different host key/],
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
      'cluster',
      'nowhere',
    ]);
    await screenshot(page, 'remote-hosts-dark');
    for (const host of [`-oProxyCommand=touch ${evil}.ran`, `me@gpubox; touch ${evil}.ran`, `"$(touch ${evil}.ran)"`]) {
      await quickInput(page).locator('input.input').fill(host);
      await page.getByText('A host is a name from your ssh config').waitFor();
      await page.keyboard.press('Enter');
      await quickInput(page).waitFor({ state: 'hidden' });
      await runCommand(page, CONNECT);
    }
    await quickInput(page).waitFor();
    await page.keyboard.press('Escape');
    expect([view.links(), existsSync(`${evil}.ran`)]).toEqual([[], false]);
  });

  async function beginSetUp(): Promise<void> {
    await chooseHost(page, 'gpubox');
    await quickInputRow(page, 'Set up a separate environment there').click({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Set Up', exact: true }).click();
  }

  test('a disk that is too full is said before anything is installed', async ({ skip }) => {
    if (!far.resizeDisk) return skip('only root can mount a small disk');
    far.resizeDisk(50);
    await beginSetUp();
    const words = /Only 0\.1 GB are free on the disk of gpubox/;
    await expect.poll(() => notifications(page)).toEqual([expect.stringMatching(words)]);
    far.resizeDisk(8000);
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  test.runIf(EVERY)('a disk that fills up during the set-up is said, and no half of it stays', async ({ skip }) => {
    if (!far.resizeDisk) return skip('only root can mount a small disk');
    await beginSetUp();
    const used = () => Number(execFileSync('du', ['-sm', far.data], { encoding: 'utf8' }).split('\t')[0]);
    await waitUntil(() => existsSync(far.data) && used() > 20, 'packages arrive', 120_000);
    far.resizeDisk(used() + 100);
    const words = /gpubox: The disk is full/;
    await expect.poll(() => notifications(page), { timeout: 120_000 }).toEqual([expect.stringMatching(words)]);
    expect(readdirSync(join(far.data, 'env'))).toEqual([]);
    expect(existsSync(join(far.data, 'environment.json'))).toBe(false);
    far.resizeDisk(8000);
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  // what the real one leaves, so that the rest can go on from there
  test.runIf(!EVERY)('an environment that was set up there before is joined without a question', async () => {
    warmEnvironment(far.data);
    await chooseHost(page, 'gpubox');
    await page.getByText(/^Connected to gpubox/).waitFor({ timeout: 60_000 });
    await runCommand(page, 'Notifications: Clear All Notifications');
    expect(view.servers().map(pythonOf)).toEqual([expect.stringMatching(ours())]);
  });

  test.runIf(EVERY)(
    'palette, host, consent: a fresh environment over there',
    async () => {
      const begun = Date.now();
      await beginSetUp();
      await page.getByText(/^Connected to gpubox/).waitFor({ timeout: 600_000 });
      console.log(`set up and connected in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
      await runCommand(page, 'Notifications: Clear All Notifications');
      expect(view.servers().map(pythonOf)).toEqual([expect.stringMatching(ours())]);
    },
    700_000,
  );

  const ours = () => new RegExp(`^${far.data}/env/[0-9a-f]{8}/bin/python$`);

  test('the same behind a command that a setting names, and the graph is drawn', async () => {
    await openFile(page, 'secret.prompt');
    await chooseHost(page, 'cluster');
    await page.getByText(/^Connected to cluster/).waitFor({ timeout: 60_000 });
    await runCommand(page, 'Notifications: Clear All Notifications');
    const frame = await analyze(page);
    expect(await frame.locator('[data-testid=proof]').textContent()).toMatch(/adds up ✓ \d/);
    await frame.getByText('·Mary').first().waitFor();
    expect(jobs.servers().map(pythonOf)).toEqual([expect.stringMatching(ours())]);
    expect(getPriority(jobs.servers()[0])).toBe(getPriority() + 1);
    await page.locator('[id="status.languageStatus"]').hover();
    await page.getByText(/cluster · cpu · float32 · [\d.]+ GB free/).waitFor();
    await screenshot(page, 'remote-status-dark');
  });

  test.runIf(EVERY)('its effects are those that the command line finds here', async () => {
    const frame = webviewFrame(page);
    const byId = byTestId(() => frame);
    await allMeasured(frame);
    await byId('list-edge').click();
    const strongest = byId('twin').locator('button[data-name]').first();
    const unit = (await strongest.getAttribute('data-unit')) ?? '';
    const words = ['effects', join(folder, 'secret.prompt'), '--units', unit, '--format', 'json'];
    const local = join(dirname(repositoryPython()), 'lm-transparency');
    const found = JSON.parse(execFileSync(local, words, { encoding: 'utf8' })) as EffectsFile;
    const [{ predicted, measured } = { predicted: NaN, measured: NaN }] = found.units;
    const shown = /effect (\S+) measured, predicted (\S+)$/.exec((await strongest.getAttribute('title')) ?? '');
    expectDecimals(shown?.[1] ?? '', measured, 2);
    expectDecimals(shown?.[2] ?? '', predicted, 2);
    await byId('list-routes').click();
  });

  describe('the link to it', () => {
    faultTests(() => ({ far, view: jobs, page }), { prompt: 'secret.prompt', long: 'long.prompt' });
  });

  test('the settings of the workspace had no say, and no log holds a prompt or a token', () => {
    expect(existsSync(`${evil}.ran`)).toBe(false);
    const text = ourLog() + farLog();
    expect(text).toContain('backend 0.1.0 runs');
    // what the shell over there prints arrives, and does no harm
    expect(text).toContain('Welcome to the cluster!');
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(TOKEN);
  });

  test('after Use Local Backend and the grace nothing is left over there, though the server was busy', async () => {
    const [busy = 0] = jobs.servers();
    kill(busy, 'SIGSTOP');
    await runCommand(page, 'LM Transparency: Use Local Backend');
    const left = () => [...far.sessions(), ...view.links(), ...processes(new RegExp(`${far.home}|${far.data}`))];
    const how = () => `${left().map(commandOf).join('')}${farLog()}`;
    await waitUntil(() => view.links().length === 0, 'the link ended', 20_000, how);
    kill(busy, 'SIGCONT');
    await waitUntil(() => left().length === 0, 'everything ended', 60_000, how);
    expect([...view.sockets(), ...jobs.sockets()]).toEqual([]);
    console.log('left behind: 0 processes, 0 sessions, 0 sockets');
  });
});

/** A command as `srun` is one: elsewhere, with an environment of its own. It asks for a short grace besides. */
function inAJob(runtime: string): string[] {
  const script = 'exec nice -n 1 "$@" --grace 3';
  return ['env', `LM_TRANSPARENCY_RUNTIME_DIR=${runtime}`, 'bash', '-c', script, 'srun'];
}

function pythonOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0];
}

/** Empty for a process that has ended. */
function commandOf(pid: number): string {
  return spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
}

/** An environment as the set-up leaves one, of the packages that are here. */
function warmEnvironment(data: string): void {
  const folder = '0a1b2c3d';
  const env = join(data, 'env', folder);
  execFileSync(repositoryPython(), ['-m', 'venv', '--without-pip', env]);
  const found = execFileSync(repositoryPython(), ['-c', 'import sys; print(*sys.path, sep="\\n")'], {
    encoding: 'utf8',
  });
  const packages = found.split('\n').filter((path) => path.endsWith('site-packages'));
  const paths = [join(repositoryRoot, 'python_backend'), ...packages].join('\n');
  const [version = ''] = readdirSync(join(env, 'lib'));
  writeFileSync(join(env, 'lib', version, 'site-packages', 'here.pth'), `${paths}\n`);
  const { version: ours } = JSON.parse(readFileSync(join(repositoryRoot, 'extension', 'package.json'), 'utf8')) as {
    version: string;
  };
  writeFileSync(join(data, 'environment.json'), JSON.stringify({ folder, version: ours }));
}

/** uv on the other side: what people have there, and quicker than pip. */
function installUv(prefix: string): void {
  const target = join(repositoryRoot, 'tests', 'e2e', '.uv');
  execFileSync(repositoryPython(), ['-m', 'pip', 'install', '--quiet', '--target', target, '--upgrade', 'uv']);
  execFileSync('mkdir', ['-p', join(prefix, 'bin')]);
  execFileSync('cp', [join(target, 'bin', 'uv'), join(prefix, 'bin', 'uv')]);
}
