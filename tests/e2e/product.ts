import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import { kill, runCommand, startCodeServer, webviewFrame, type RunningServer } from './harness/index.ts';
import { FarView } from './remote-steps.ts';

export const samples = join(repositoryRoot, 'samples');
export const vsix = join(repositoryRoot, 'dist', 'lm-transparency.vsix');

const EMBEDDED_MODEL = 'LMT_EMBEDDED_MODEL';

export interface ProductOptions {
  folder?: string;
  python?: string;
  env?: Record<string, string>;
  machineSettings?: Record<string, unknown>;
  userSettings?: Record<string, unknown>;
  /** Whether folders have to be trusted first. */
  withTrust?: boolean;
  /** What is installed, in place of ours alone. */
  extensions?: string[];
}

/** `runtime`: where its backends are met. */
export type Product = RunningServer & { runtime: string };

/** The real VS Code with our VSIX installed and the repository's own interpreter as the backend. */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  if (!existsSync(vsix)) throw new Error('dist/lm-transparency.vsix is missing: run `make vsix`');
  // short: a socket's path may have 103 characters
  const runtime = mkdtempSync('/tmp/lmt-near-');
  const server = await startCodeServer({
    vsix: options.extensions ?? vsix,
    folder: options.folder ?? samples,
    userSettings: options.userSettings ?? {},
    withTrust: options.withTrust ?? false,
    machineSettings: {
      'lmTransparency.backend.python': options.python ?? repositoryPython(),
      ...options.machineSettings,
    },
    env: { LM_TRANSPARENCY_RUNTIME_DIR: runtime, ...options.env },
  });
  const stop = async () => {
    await server.stop();
    // they outlive windows that are killed
    for (const pid of new FarView({ runtime, configFile: '' }).servers()) kill(pid, 'SIGKILL');
    rmSync(runtime, { recursive: true, force: true });
  };
  return { ...server, runtime, stop };
}

/** Does what leads to another graph, and waits until it is drawn: the one before stays until then. */
export async function nextGraph(page: Page, act: () => Promise<void>, timeout = 180_000): Promise<FrameLocator> {
  const graphs = page.locator('iframe.webview.ready:visible');
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

export interface Expected {
  tokens: string[];
  predictions: { text: string; probability: number }[][];
  /** The three most probable tokens by layer and position. */
  lens: string[][][];
}

/** The folder of the embedded model, made where it is not there yet; asked for once in a run of all tests. */
export function embeddedModel(): string {
  const known = process.env[EMBEDDED_MODEL];
  if (known) return known;
  const words = ['-m', 'lm_transparency', 'models', '--prepare'];
  return (process.env[EMBEDDED_MODEL] = execFileSync(repositoryPython(), words, { encoding: 'utf8' }).trim());
}

/** What plain transformers says about a sample with the embedded model. */
export function expected(sample: string): Expected {
  const python = repositoryPython();
  const script = join(repositoryRoot, 'tests', 'e2e', 'expected.py');
  const output = execFileSync(python, [script, embeddedModel(), join(samples, sample)], { encoding: 'utf8' });
  return JSON.parse(output) as Expected;
}

/** What VS Code and its extensions have logged under a folder, of the files of that name. */
export function logsIn(folder: string, name: string): string {
  const found = execFileSync('find', [folder, '-name', name], { encoding: 'utf8' }).split('\n').filter(Boolean);
  return found.map((file) => readFileSync(file, 'utf8')).join('');
}

/** Spaces as the panel shows them. */
export const visible = (text: string) => text.replaceAll(' ', '·');
