import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { repositoryPython } from '../../scripts/host/paths.mjs';
import { notifications, pickInQuickInput, quickInput, runCommand, screenshot } from './harness/index.ts';
import { expectShare } from './inspector-steps.ts';
import { analyze, samples, visible, type Product } from './product.ts';
import { byTestId, useWindow } from './window.ts';

const run = promisify(execFile);

/** The strongest route of ioi.prompt. */
const EDGE = 'attention:I22_1>A23_13';

interface Edge {
  source: string;
  target: string;
  kind: string;
  weight: number;
  flow: number;
}

interface Analysis {
  tokens: { text: string }[];
  predictions: { text: string }[];
  edges: Edge[];
}

const inOrder = (edges: readonly Edge[]): Edge[] => {
  const key = ({ kind, target, source }: Edge) => `${kind} ${target} ${source}`;
  return edges
    .map(({ source, target, kind, weight, flow }) => ({ source, target, kind, weight, flow }))
    .sort((a, b) => (key(a) < key(b) ? -1 : 1));
};

/** RFC 4180: cells with a comma, a quote or a line end stand in quotes, quotes doubled. */
function cellsOf(csv: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '') break;
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('what one sees, as a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exports-'));
  const prompt = join(samples, 'ioi.prompt');
  const open = useWindow(folder);
  let browser: Browser;
  let page: Page;
  /** Of plain pages, to read files in. */
  let reader: Page;
  let frame: FrameLocator;
  let cli: Promise<unknown>;

  const byId = byTestId(() => frame);
  const read = (name: string) => readFileSync(join(folder, name));
  const json = () => JSON.parse(read('graph.json').toString('utf8')) as Analysis;

  beforeAll(async () => {
    let server: Product;
    ({ server, browser, page } = await open({}, { file: prompt }));
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.origin });
    reader = await browser.newPage();
    frame = await analyze(page);
    const words = ['-m', 'lm_transparency', 'analyze', prompt, '--format', 'html', '-o', join(folder, 'cli.html')];
    cli = run(repositoryPython(), words);
  });

  /** Types a path into the save dialog that has come; `proposed` is the name that it begins with. */
  async function saveAs(name: string, proposed: string): Promise<void> {
    const input = quickInput(page).locator('input.input');
    await expect.poll(() => input.inputValue()).toBe(join(samples, proposed));
    const path = join(folder, name);
    await input.fill(path);
    // the dialog looks into the folder first, and hears no Enter meanwhile
    const isHeard = async () => !(await input.isVisible()) || overwriting().isVisible();
    const accepted = async () => {
      await page.waitForTimeout(300);
      if (await isHeard()) return true;
      await input.press('Enter', { timeout: 2000 });
      // time to look whether the file is there: one more Enter would answer that it is to be replaced
      await expect.poll(isHeard, { timeout: 2000 }).toBe(true);
      return true;
    };
    await expect.poll(accepted).toBe(true);
  }

  const overwriting = () => quickInput(page).getByText('already exists');

  const written = async (name: string) => {
    await expect.poll(() => existsSync(join(folder, name))).toBe(true);
    await expect.poll(() => notifications(page)).toContain(`Saved ${name}.`);
    await runCommand(page, 'Notifications: Clear All Notifications');
  };

  async function fromMenu(format: string, name: string, proposed = `ioi-token-13.${format}`): Promise<void> {
    await byId('export').click();
    await byId(`export-${format}`).click();
    await saveAs(name, proposed);
    await written(name);
  }

  async function fromCommand(label: string, name: string, proposed: string): Promise<void> {
    await runCommand(page, 'LM Transparency: Export Graph…');
    await pickInQuickInput(page, label, label);
    await saveAs(name, proposed);
    await written(name);
  }

  test('JSON, by the command: the edges that are drawn', async () => {
    await fromCommand('JSON', 'graph.json', 'ioi-token-13.json');
    const { edges, tokens } = json();
    const drawn = Number(/\d+/.exec((await byId('edge-count').textContent()) ?? '')?.[0]);
    const position = (name: string) => name.split('_')[1];
    const between = edges.filter(
      ({ kind, source, target }) => kind === 'attention' && position(source) !== position(target),
    );
    expect(between.length).toBe(drawn);
    expect(tokens.map(({ text }) => text).join('')).toBe(readFileSync(prompt, 'utf8').trimEnd());
  });

  test('SVG, re-read, has the same edges with the same weights and flows', async () => {
    await fromMenu('svg', 'graph.svg');
    const svg = read('graph.svg').toString('utf8');
    const edges = await reader.evaluate((text) => {
      const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
      if (parsed.querySelector('parsererror')) throw new Error('this is no XML');
      return [...parsed.querySelectorAll('.edge')].map((path) => {
        const value = (name: string) => path.getAttribute(`data-${name}`) ?? '';
        const [weight, flow] = [Number(value('weight')), Number(value('flow'))];
        return { source: value('source'), target: value('target'), kind: value('kind'), weight, flow };
      });
    }, svg);
    expect(edges.length).toBeGreaterThan(100);
    expect(inOrder(edges)).toEqual(inOrder(json().edges));
  });

  test('CSV has them, too', async () => {
    await fromMenu('csv', 'graph.csv');
    const [columns = [], ...rows] = cellsOf(read('graph.csv').toString('utf8'));
    const edges = rows.map((row) => {
      const value = (name: string) => row[columns.indexOf(name)] ?? '';
      const [weight, flow] = [Number(value('weight')), Number(value('flow'))];
      return { source: value('source'), target: value('target'), kind: value('kind'), weight, flow };
    });
    expect(inOrder(edges)).toEqual(inOrder(json().edges));
  });

  test('a file that is there is replaced only when one says so', async () => {
    writeFileSync(join(folder, 'taken.svg'), 'taken');
    const text = () => read('taken.svg').toString('utf8');
    await fromMenuOver('svg', 'taken.svg');
    // it leads back to the dialog, which is left as well
    await quickInput(page).getByRole('button', { name: 'Cancel' }).click();
    await quickInput(page).getByText('Show Local').waitFor();
    await page.keyboard.press('Escape');
    await quickInput(page).waitFor({ state: 'hidden' });
    expect(text()).toBe('taken');
    await fromMenuOver('svg', 'taken.svg');
    await page.keyboard.press('Enter');
    await expect.poll(text).toBe(read('graph.svg').toString('utf8'));
    await written('taken.svg');
  });

  /** Saves over a file, up to the question that follows. */
  async function fromMenuOver(format: string, name: string): Promise<void> {
    await byId('export').click();
    await byId(`export-${format}`).click();
    await saveAs(name, `ioi-token-13.${format}`);
    await overwriting().waitFor();
  }

  test('PNG is the picture of the SVG, twice as large', async () => {
    await fromMenu('png', 'graph.png');
    const png = read('graph.png');
    expect(png.subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
    const drawn = await reader.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      const ctx = canvas.getContext('2d') as CanvasRenderingContext2D;
      ctx.drawImage(image, 0, 0);
      const { data } = ctx.getImageData(0, 0, canvas.width, canvas.height);
      return { size: [canvas.width, canvas.height], colours: new Set(new Uint32Array(data.buffer)).size };
    }, png.toString('base64'));
    const size = /<svg[^>]* width="([\d.]+)"[^>]* height="([\d.]+)"/.exec(read('graph.svg').toString('utf8')) ?? [];
    expect(drawn.size).toEqual([Math.round(2 * Number(size[1])), Math.round(2 * Number(size[2]))]);
    expect(drawn.colours).toBeGreaterThan(50);
  });

  test('a table is copied as TSV and saved as CSV, with all digits', async () => {
    await byId('twin').locator('button[data-name]').first().click();
    await byId('why').waitFor();
    // the whole table: what is answered between copying and saving would be in the file alone
    const answered = 'button[title*="attention probability"][title*="repeated random tokens"]';
    await byId('heads').locator(answered).first().waitFor({ timeout: 60_000 });
    await byId('copy-heads').click();
    // the clipboard is read by a window that has the focus
    await page.locator('.view-line').first().click();
    let tsv = '';
    // the editor copies, some time after the click
    await expect.poll(async () => (tsv = await page.evaluate(() => navigator.clipboard.readText()))).toContain('\t');
    const copied = tsv
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    await byId('save-heads').click();
    await saveAs('heads.csv', 'heads-attention_I22_1-A23_13.csv');
    await written('heads.csv');
    expect(cellsOf(read('heads.csv').toString('utf8'))).toEqual(copied);
    const [columns = [], ...rows] = copied;
    expect(rows.length).toBe(9);
    for (const row of rows) {
      const head = byId('heads').locator(`button[data-head="${row[columns.indexOf('head')]}"]`);
      const contribution = Number(row[columns.indexOf('contribution')]);
      expectShare((await head.locator('.number').textContent()) ?? '', contribution);
    }
  });

  /** Opens a page without a network, and uses it; `seen` is what it has selected. */
  async function expectAlive(name: string, seen: string): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.setOffline(true);
    const opened = await context.newPage();
    const [asked, complaints]: [string[], string[]] = [[], []];
    opened.on('request', (request) => asked.push(request.url()));
    opened.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    opened.on('pageerror', (error) => complaints.push(error.message));
    const address = pathToFileURL(join(folder, name)).href;
    await opened.goto(address);
    const there = (id: string) => opened.locator(`[data-testid="${id}"]`);
    const edgeCount = async () => Number(/\d+/.exec((await there('edge-count').textContent()) ?? '')?.[0]);
    await opened.locator('[data-testid=panel][data-state=ready]').waitFor();

    const colours = () =>
      there('graph-canvas').evaluate((element) => {
        const canvas = element as HTMLCanvasElement;
        const ctx = canvas.getContext('2d') as CanvasRenderingContext2D;
        const { data } = ctx.getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
      });
    await expect.poll(colours).toBeGreaterThan(50);

    // as it was looked at when it was made; the command line looks at nothing
    const selection = () => there('inspector').getAttribute('data-selection');
    expect(await selection()).toBe(seen);
    await there('inspector').getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');
    await expect.poll(selection).toBe('');

    const before = await edgeCount();
    expect(before).toBeGreaterThan(5);
    await there('threshold').focus();
    for (let i = 0; i < 20; i++) await opened.keyboard.press('ArrowLeft');
    await expect.poll(edgeCount).toBeGreaterThan(before);

    await there('token-9').first().click();
    await expect.poll(() => there('inspector').textContent()).toContain('position 9');
    await there('token-13').first().click();
    const predicted = visible(json().predictions[0]?.text ?? '');
    await expect.poll(() => there('predictions').locator('li').first().textContent()).toContain(predicted);

    const chip = await there('token-13').first().boundingBox();
    const [x, foot] = [(chip?.x ?? 0) + (chip?.width ?? 0) / 2, chip?.y ?? 0];
    const tip = opened.locator('.tooltip');
    for (let y = foot - 30; y > foot - 90 && !(await tip.isVisible()); y -= 4) await opened.mouse.move(x, y);
    expect(await tip.textContent()).toMatch(/\d/);

    // what needs the model or the editor is not offered, or says so
    for (const id of ['export', 'heat']) expect(await there(id).count()).toBe(0);
    await there('model').click();
    await there('model-facts').waitFor();
    expect(await opened.locator('[data-action]').count()).toBe(0);
    await there('twin').locator('button[data-name]').first().click();
    await opened.getByText('Not part of this recording.').first().waitFor();
    await there('heads').locator('button[data-head]').first().waitFor();
    await screenshot(opened, `page-${name.replace('.html', '')}`);

    expect(asked.filter((url) => url !== address && !url.startsWith('data:'))).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  }

  test('the HTML page lives without VS Code and without a network', async () => {
    await byId('view-routes').click();
    await fromMenu('html', 'page.html', 'ioi.html');
    await expectAlive('page.html', EDGE);
  });

  test('so does the one that the command line writes', async () => {
    await cli;
    await expectAlive('cli.html', '');
  });
});
