import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { inject } from 'vitest';
import { developmentCache, repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import { quietSettings } from '../../scripts/host/settings.mjs';
import { kill, readyWebview, runCommand, startCodeServer, webviewFrame, type RunningServer } from './harness/index.ts';
import { FarView } from './remote-steps.ts';

export const samples = join(repositoryRoot, 'samples');
export const vsix = join(repositoryRoot, 'dist', 'lm-transparency.vsix');

const EMBEDDED_MODEL = 'LMT_EMBEDDED_MODEL';
const FIRST_LAYERS = 'LMT_FIRST_LAYERS';

export interface ProductOptions {
  folder?: string;
  python?: string;
  machineSettings?: Record<string, unknown>;
  /** False where effects are not looked at: measuring them behind each drawing takes longer than to draw it. */
  measures?: boolean;
  /** A code-server of its own, and not the one that the files of a worker share; so do all of the following. */
  own?: boolean;
  env?: Record<string, string>;
  userSettings?: Record<string, unknown>;
  /** Whether folders have to be trusted first. */
  withTrust?: boolean;
  /** What is installed, in place of ours alone. */
  extensions?: string[];
}

/** `runtime`: where its backends are met. `hub`: its cache of downloaded models. */
export type Product = RunningServer & { runtime: string; hub: string };

/** The real VS Code with our VSIX installed and the repository's own interpreter as the backend. */
export function startProduct(options: ProductOptions = {}): Promise<Product> {
  const { own, env, userSettings, withTrust, extensions } = options;
  return own || env || userSettings || withTrust || extensions ? startOwn(options) : joinShared(options);
}

/** A code-server for the files of one worker. */
export const startShared = (): Promise<Product> => startOwn({});

/** The code-server of this worker, with the settings that a file asks for; it runs on when the file is done. */
async function joinShared({ folder = samples, ...options }: ProductOptions): Promise<Product> {
  const answer = await fetch(`${inject('servers')}/${process.env['VITEST_POOL_ID']}`);
  if (!answer.ok) throw new Error(await answer.text());
  const shared = (await answer.json()) as Product;
  const data = join(shared.workDir, 'user-data');
  const write = (place: string, settings: object) =>
    writeFileSync(join(data, place, 'settings.json'), JSON.stringify(settings, undefined, 2));
  write('Machine', machineSettings(options));
  for (const kept of [shared.hub, join(data, 'User', 'globalStorage')]) forget(kept);
  return {
    ...shared,
    folder,
    // whole: of what the file before had set nothing stays
    writeUserSettings: (settings) => write('User', { ...quietSettings, ...settings }),
    stop: () => Promise.resolve(),
  };
}

/** Takes a folder away at once; what is in it, an environment perhaps, may take a while to remove. */
function forget(folder: string): void {
  if (!existsSync(folder)) return;
  const aside = `${folder}-${crypto.randomUUID()}`;
  renameSync(folder, aside);
  spawn('rm', ['-rf', aside], { detached: true, stdio: 'ignore' }).unref();
}

const machineSettings = (options: ProductOptions) => ({
  'lmTransparency.backend.python': options.python ?? repositoryPython(),
  ...(options.measures === false && { 'lmTransparency.effects.measure': 0 }),
  ...options.machineSettings,
});

async function startOwn(options: ProductOptions): Promise<Product> {
  if (!existsSync(vsix)) throw new Error('dist/lm-transparency.vsix is missing: run `make vsix`');
  // short: a socket's path may have 103 characters
  const runtime = mkdtempSync('/tmp/lmt-near-');
  const hub = join(runtime, 'hub');
  const server = await startCodeServer({
    vsix: options.extensions ?? vsix,
    folder: options.folder ?? samples,
    userSettings: options.userSettings ?? {},
    withTrust: options.withTrust ?? false,
    machineSettings: machineSettings(options),
    env: { LM_TRANSPARENCY_RUNTIME_DIR: runtime, HF_HUB_CACHE: hub, ...options.env },
  });
  const stop = async () => {
    await server.stop();
    // they outlive windows that are killed
    for (const pid of new FarView({ runtime, configFile: '' }).servers()) kill(pid, 'SIGKILL');
    rmSync(runtime, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  return { ...server, runtime, hub, stop };
}

/** Does what leads to another graph, and waits until it is drawn: the one before stays until then. */
export async function nextGraph(page: Page, act: () => Promise<void>, timeout = 180_000): Promise<FrameLocator> {
  const graphs = page.locator(readyWebview);
  const panel = webviewFrame(page).locator('[data-testid=panel]');
  const before = (await graphs.count()) > 0 ? await panel.getAttribute('data-run') : null;
  await act();
  const frame = webviewFrame(page);
  const isOther = before === null ? '' : `:not([data-run=${JSON.stringify(before)}])`;
  await frame.locator(`[data-testid=panel][data-state=ready]${isOther}`).waitFor({ timeout });
  return frame;
}

/** Runs Analyze Prompt from the palette and waits for the drawn graph, and for the routes of every other token. */
export async function analyze(page: Page): Promise<FrameLocator> {
  const frame = await nextGraph(page, () => runCommand(page, 'LM Transparency: Analyze Prompt'));
  await frame.locator('[data-testid=filling]').waitFor({ state: 'detached', timeout: 180_000 });
  return frame;
}

/** The folder of the embedded model, made where it is not there yet; asked for once in a run of all tests. */
export function embeddedModel(): string {
  const known = process.env[EMBEDDED_MODEL];
  if (known) return known;
  const words = ['-m', 'lm_transparency', 'models', '--prepare'];
  return (process.env[EMBEDDED_MODEL] = execFileSync(repositoryPython(), words, { encoding: 'utf8' }).trim());
}

/** A model of the embedded one's first layers, made once and kept. */
export function firstLayers(): string {
  const known = process.env[FIRST_LAYERS];
  if (known) return known;
  const folder = join(developmentCache(), `first-layers-of-${basename(embeddedModel())}`);
  if (!existsSync(folder)) {
    const script = join(repositoryRoot, 'tests', 'python', 'support', 'save_first_layers.py');
    execFileSync(repositoryPython(), [script, embeddedModel(), folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return (process.env[FIRST_LAYERS] = folder);
}

/** What VS Code and its extensions have logged under a folder, of the files of that name. */
export function logsIn(folder: string, name: string): string {
  const found = execFileSync('find', [folder, '-name', name], { encoding: 'utf8' }).split('\n').filter(Boolean);
  return found.map((file) => readFileSync(file, 'utf8')).join('');
}
