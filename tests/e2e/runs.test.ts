import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import {
  allThemes,
  openFile,
  quickInput,
  quickInputRow,
  reloadWindow,
  runCommand,
  screenshot,
  setTheme,
  waitUntil,
  webviewFrame,
} from './harness/index.ts';
import { analyze, samples, vsix, type Product } from './product.ts';
import { FarView } from './remote-steps.ts';
import { useWindow } from './window.ts';

/** To look at; switching takes a while. */
const THEMES = process.env['LMT_THEMES'] ? allThemes : [];
const MODEL = 'smollm2-135m-instruct';
const IOI = 'When Mary and John went to the store, John gave a drink to';

/** A run of the command line, which its own tests run again. */
const KNOWN = join(repositoryRoot, 'tests', 'vectors', 'runs', 'ioi.run.json');

/** The probability of what a run's model says first. */
function percentOf(file: string): string {
  const { predictions } = JSON.parse(readFileSync(file, 'utf8')) as { predictions: { probability: number }[] };
  return `${(100 * (predictions[0]?.probability ?? 0)).toFixed(1)} %`;
}

/** An interpreter that can be taken away. */
function removablePython(folder: string): string {
  const file = join(folder, 'python');
  writeFileSync(file, `#!/bin/sh\nexec "${repositoryPython()}" "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}

/** The extension that stands for an editor assistant, packed. */
function packedAssistant(folder: string): string {
  const file = join(folder, 'assistant.vsix');
  const vsce = join(repositoryRoot, 'node_modules', '.bin', 'vsce');
  const words = ['package', '--no-dependencies', '--allow-missing-repository', '--skip-license', '--out', file];
  execFileSync(vsce, words, { cwd: join(repositoryRoot, 'tests', 'e2e', 'assistant'), stdio: 'pipe' });
  return file;
}

describe('runs', () => {
  const place = mkdtempSync(join(tmpdir(), 'runs-'));
  const folder = join(place, 'work');
  const besides = join(folder, '.lm-transparency');
  const open = useWindow(place);
  let python: string;
  let server: Product;
  let view: FarView;
  let page: Page;

  const rows = () => page.locator('.pane', { has: pane() }).locator('.monaco-list-row');
  const row = (text: string | RegExp) => rows().filter({ hasText: text }).first();
  const pane = () => page.locator('.pane-header[aria-label^="Analyses"]');
  const texts = async () => {
    const words = (one: Locator) => one.locator('.label-name, .label-description').allInnerTexts();
    const all = await Promise.all((await rows().all()).map(words));
    return all.map((of) => of.join(' ').replaceAll('\u00a0', ' '));
  };
  const stored = (kind: string) => {
    const data = execFileSync('find', [server.workDir, '-path', `*lm-transparency.lm-transparency/${kind}/*`], {
      encoding: 'utf8',
    });
    return data.split('\n').filter(Boolean);
  };
  const menu = async (on: Locator, label: string) => {
    await on.click({ button: 'right' });
    const item = page.locator('.monaco-menu .action-label', { hasText: label }).first();
    await item.waitFor();
    // a menu that has just come up takes no click
    await expect
      .poll(async () => {
        await item.click({ timeout: 1000 }).catch(() => undefined);
        return item.isVisible();
      })
      .toBe(false);
  };
  const dialog = () => page.locator('.monaco-dialog-box');
  const answer = (label: string) => dialog().locator('.monaco-button', { hasText: label }).first().click();
  // the backend may have to start and to load the model first
  const ready = () => webviewFrame(page).locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 180_000 });
  const showsAnswer = (position: number, text: string) =>
    webviewFrame(page).locator(`[data-testid=prediction-${position}]`, { hasText: text }).waitFor();
  const openUrl = async (url: string) => {
    await runCommand(page, 'Developer: Open URL');
    await quickInput(page).filter({ hasText: 'URL to open' }).locator('input.input').fill(url);
    await page.keyboard.press('Enter');
  };
  const linkOf = (id: string) => `code-oss://lm-transparency.lm-transparency/run?${id}`;
  const closeEditors = () => runCommand(page, 'View: Close All Editors');
  /** What a file of the folder says; nothing where it is not there yet, or is just being written. */
  const written = (name: string) => {
    const file = join(folder, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };

  beforeAll(async () => {
    mkdirSync(besides, { recursive: true });
    copyFileSync(join(samples, 'ioi.prompt'), join(folder, 'ioi.prompt'));
    writeFileSync(join(folder, 'capital.prompt'), 'The capital of France is');
    writeFileSync(join(besides, 'broken.run.json'), '{"lm_transparency_run": 7}');
    python = removablePython(place);
    const extensions = [vsix, packedAssistant(place)];
    ({ server, page } = await open(
      { folder, python, extensions, measures: false },
      { file: join(folder, 'ioi.prompt') },
    ));
    view = new FarView({ runtime: server.runtime, configFile: '' });
  });

  test('the view lists what is analyzed by prompt and model, and a broken file with the reason', async () => {
    await pane().click();
    await row('broken').waitFor();
    await expect.poll(texts).toEqual(['broken cannot be read: its format is 7, and 1 is what this version reads']);
    await analyze(page);
    await row(MODEL).waitFor();
    const first = async () => (await texts()).slice(0, 2);
    await expect.poll(first).toEqual([`${IOI} ioi.prompt`, `${MODEL} Mary ${percentOf(KNOWN)}`]);
    await openFile(page, 'capital.prompt');
    await analyze(page);
    await row('The capital of France is').waitFor();
    // the same prompt once more is the same run
    await analyze(page);
    await expect.poll(() => stored('runs').length).toBe(2);
    await expect.poll(texts).toHaveLength(5);
  });

  test('a run is renamed, here and outside of VS Code', async () => {
    await row(/Mary\s\d/).click();
    await showsAnswer(13, 'Mary');
    // a panel that comes up closes a box that is open
    await expect
      .poll(async () => {
        if (!(await quickInput(page).isVisible())) await page.keyboard.press('F2');
        // asked for twice, it comes twice, and the second time without what was typed
        await quickInput(page).waitFor({ timeout: 3000 });
        return quickInput(page).isVisible();
      })
      .toBe(true);
    await quickInput(page).locator('input.input').fill('indirect object');
    await page.keyboard.press('Enter');
    await row('indirect object').waitFor();
    await expect.poll(texts).toContainEqual(expect.stringMatching(/^indirect object smollm2-135m-instruct · Mary /));
    const file = stored('runs').find((name) => name.includes('indirect object')) ?? '';
    renameSync(file, join(dirname(file), 'by another program.run.json'));
    await row('by another program').waitFor();
    await expect.poll(async () => (await texts()).length).toBe(5);
  });

  test('saved beside its prompt, a run is a file of this folder, of the form that the command line runs again', async () => {
    const file = join(besides, 'by another program.run.json');
    // a view that is redrawn may close a menu before it has taken the click
    await expect
      .poll(async () => {
        await menu(row('by another program'), 'Save Run Beside Prompt');
        return waitUntil(() => existsSync(file), 'the run is saved', 5000).then(
          () => true,
          () => false,
        );
      })
      .toBe(true);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('"from": {"file":"../ioi.prompt"');
    expect(text).not.toContain(place);
    // the command line runs the kept one again, in a test of its own
    // here nothing is measured
    const names = (json: string) => Object.keys(JSON.parse(json) as object).filter((name) => name !== 'effects');
    expect(names(text)).toEqual(names(readFileSync(KNOWN, 'utf8')));
    await row('by another program').locator('.codicon-bookmark').first().waitFor();
    // one run, saved: not listed twice
    await expect.poll(texts).toHaveLength(5);
    for (const theme of THEMES) {
      await setTheme(page, theme);
      await screenshot(page, `runs-${theme}`);
    }
    if (THEMES.length > 0) await setTheme(page, 'dark');
  });

  test('after Reload Window every run opens again without a backend', async () => {
    await closeEditors();
    renameSync(python, `${python}-away`);
    await runCommand(page, 'LM Transparency: Restart Backend');
    await waitUntil(() => view.servers().length === 0, 'the backend is gone');
    await reloadWindow(page);
    await row('by another program').click();
    await showsAnswer(13, 'Mary');
    await row(/Paris\s\d/).click();
    await showsAnswer(4, 'Paris');
    expect(view.servers()).toEqual([]);
    renameSync(`${python}-away`, python);
  });

  test('a link opens a run, asks before it analyzes or opens another file, and does nothing else', async () => {
    await closeEditors();
    await row('by another program').waitFor();
    await menu(row('by another program'), 'Copy Link to Run');
    await openUrl(linkOf('file=.lm-transparency/by another program.run.json'));
    await answer('Open');
    await ready();
    await closeEditors();
    // its payload is gone: the prompt is analyzed once more, if the person says so
    for (const file of stored('results')) rmSync(file);
    await openUrl(linkOf('file=.lm-transparency/by another program.run.json'));
    await answer('Open');
    await expect.poll(() => dialog().innerText()).toContain('Analyze its prompt again?');
    await answer('Analyze');
    await ready();
    const elsewhere = join(place, 'elsewhere.run.json');
    copyFileSync(join(besides, 'by another program.run.json'), elsewhere);
    await openUrl(linkOf(`file=${elsewhere}`));
    await answer('Open');
    await expect.poll(() => dialog().innerText()).toContain(elsewhere);
    await answer('Cancel');
    await openUrl(linkOf('id=0123456789abcdef&command=rm'));
    await answer('Open');
    await page.locator('.notifications-toasts', { hasText: 'This link names no run' }).waitFor();
  });

  test('a run is deleted after a question, with all that was kept of it', async () => {
    await row('by another program').click();
    await page.keyboard.press('Delete');
    await expect.poll(() => dialog().innerText()).toContain('Deletes .lm-transparency/by another program.run.json');
    await answer('Delete');
    await expect.poll(async () => (await texts()).join()).not.toContain('by another program');
    expect(readdirSync(besides)).toEqual(['broken.run.json']);
    expect(stored('runs').map((file) => basename(file))).toEqual([expect.stringMatching(/^capital-/)]);
    rmSync(join(besides, 'broken.run.json'));
    await expect.poll(() => texts()).toHaveLength(2);
  });

  test('an assistant gets the routes after the person agreed, and can give up', async () => {
    await runCommand(page, 'Assistant: Ask for Routes');
    await expect.poll(() => dialog().innerText()).toContain(IOI);
    await screenshot(page, 'runs-tool');
    await answer('Yes');
    await expect.poll(() => written('answer.txt'), { timeout: 120_000 }).not.toBe('');
    const told = written('answer.txt');
    expect(told).toContain('·Mary');
    expect(told).toContain('Strongest routes  threshold 0.040');
    expect(told).toMatch(/9[0-9]\.\d %/);
    await runCommand(page, 'Assistant: Ask and Give Up');
    await answer('Yes');
    await expect.poll(() => written('given-up.txt'), { timeout: 60_000 }).not.toBe('');
    expect(written('given-up.txt')).toMatch(/^refused: /);
  });

  test('no key that VS Code has is taken', async () => {
    await runCommand(page, 'Assistant: Write Down the Keys');
    interface Key {
      key: string;
      command: string;
      when?: string;
    }
    let keys: Key[] = [];
    // half of a file is not JSON, and is read again
    const read = () => (keys = JSON.parse(written('keys.txt').replace(/^\s*\/\/.*$/gm, '')) as Key[]).length;
    await expect.poll(read).toBeGreaterThan(500);
    const ours = keys.filter(({ command }) => command.startsWith('lmTransparency.'));
    expect(ours.length).toBeGreaterThanOrEqual(3);
    for (const { key, when } of ours) {
      // a key of our view alone is no other's while the view has the focus
      if (/focusedView == '?lmTransparency\.analyses/.test(when ?? '')) continue;
      const others = keys.filter(
        (other) => other.key === key && other.when !== 'false' && !other.command.startsWith('lmTransparency.'),
      );
      expect(others, key).toEqual([]);
    }
  });

  test('the walkthrough opens, with its pictures', async () => {
    await closeEditors();
    await runCommand(page, 'Welcome: Open Walkthrough...');
    await page.locator('.quick-input-widget input[placeholder^="Select a walkthrough"]').fill('LM Transparency');
    await quickInputRow(page, 'Get Started with LM Transparency').waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.gettingStartedContainer', { hasText: 'Your First Analysis' }).waitFor();
    await webviewFrame(page).locator('svg').waitFor();
    await screenshot(page, 'walkthrough-analyze');
    for (const step of ['Choose a Model', 'Connect to a GPU Machine', 'Ask About Your Own Prompt']) {
      await page.locator('.getting-started-step', { hasText: step }).first().click();
      await webviewFrame(page).locator('svg').waitFor();
      await screenshot(page, `walkthrough-${step.split(' ')[0]?.toLowerCase()}`);
    }
  });
});
