import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fillPage } from '../../extension/src/panel/htmlPage.ts';
import type { RecordResult } from '../../extension/shared/protocol.ts';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import { byTestId } from '../e2e/harness/vitest.ts';
import { cellsOf, expectAlive, readViews } from './exported.ts';
import type { PanelHost } from './host.ts';
import { edgeCount, expectShare } from './reading.ts';
import { IOI, usePanel, type Opened } from './window.ts';

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

interface Written {
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

const edgeOf = (value: (name: string) => string): Edge => ({
  ...{ source: value('source'), target: value('target'), kind: value('kind') },
  ...{ weight: Number(value('weight')), flow: Number(value('flow')) },
});

describe('what one sees, as a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exports-'));
  const open = usePanel();
  let host: PanelHost;
  let browser: Browser;
  let page: Page;
  let backend: Opened['backend'];
  let json: Written;
  let svg: string;
  let cli: Promise<unknown>;
  const expected = { first: '', views: {} };

  const byId = byTestId(() => page);

  beforeAll(async () => {
    ({ host, browser, page, backend } = await open(IOI));
    const prompt = join(repositoryRoot, 'samples', 'ioi.prompt');
    const words = ['-m', 'lm_transparency', 'analyze', prompt, '--format', 'html', '-o', join(folder, 'cli.html')];
    cli = run(repositoryPython(), words);
    cli.catch(() => undefined);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  /** Chooses a format from the menu; returns the file that the panel asks the host to save. */
  async function saved(format: string): Promise<{ name: string; content: string }> {
    const before = host.told.length;
    await byId('export').click();
    await byId(`export-${format}`).click();
    const found = () => host.told.slice(before).find((notice) => notice.type === 'save');
    await expect.poll(found).toBeDefined();
    const notice = found();
    if (notice?.type !== 'save') throw new Error('nothing is saved');
    expect(notice.name).toBe(`ioi-token-13.${format}`);
    return notice;
  }

  test('JSON: the edges that are drawn', async () => {
    json = JSON.parse((await saved('json')).content) as Written;
    const drawn = await edgeCount(page);
    const position = (name: string) => name.split('_')[1];
    const between = json.edges.filter(
      ({ kind, source, target }) => kind === 'attention' && position(source) !== position(target),
    );
    expect(between.length).toBe(drawn);
    expect(json.tokens.map(({ text }) => text).join('')).toBe(IOI.prompt);
  });

  test('SVG, re-read, has the same edges with the same weights and flows', async () => {
    svg = (await saved('svg')).content;
    const edges = await page.evaluate((text) => {
      const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
      if (parsed.querySelector('parsererror')) throw new Error('this is no XML');
      const names = ['source', 'target', 'kind', 'weight', 'flow'];
      return [...parsed.querySelectorAll('.edge')].map((path) =>
        Object.fromEntries(names.map((name) => [name, path.getAttribute(`data-${name}`) ?? ''])),
      );
    }, svg);
    expect(edges.length).toBeGreaterThan(100);
    expect(inOrder(edges.map((edge) => edgeOf((name) => edge[name] ?? '')))).toEqual(inOrder(json.edges));
  });

  test('CSV has them, too', async () => {
    const [columns = [], ...rows] = cellsOf((await saved('csv')).content);
    const edges = rows.map((row) => edgeOf((name) => row[columns.indexOf(name)] ?? ''));
    expect(inOrder(edges)).toEqual(inOrder(json.edges));
  });

  test('PNG is the picture of the SVG at 300 dpi, in its typeface', async () => {
    const { content } = await saved('png');
    expect(Buffer.from(content, 'base64').subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
    const drawn = await page.evaluate(async (base64) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
      const ctx = canvas.getContext('2d') as CanvasRenderingContext2D;
      ctx.drawImage(image, 0, 0);
      const { data } = ctx.getImageData(0, 0, canvas.width, canvas.height);
      return { size: [canvas.width, canvas.height], colours: new Set(new Uint32Array(data.buffer)).size };
    }, content);
    const size = /<svg[^>]* width="([\d.]+)mm" height="([\d.]+)mm"/.exec(svg)?.slice(1).map(Number) ?? [];
    expect(drawn.size).toEqual(size.map((mm) => Math.round((mm / 25.4) * 300)));
    expect(drawn.colours).toBeGreaterThan(50);
  });

  test('PDF comes from the same drawing; the preview shows it, and what is chosen changes it', async () => {
    const { content } = await saved('pdf');
    expect(Buffer.from(content, 'base64').subarray(0, 5).toString()).toBe('%PDF-');
    await byId('export').click();
    const source = () => byId('figure-picture').getAttribute('src');
    await expect.poll(source).toContain('178.00mm');
    await byId('figure-1-column').click();
    await byId('figure-dark').click();
    await expect.poll(source).toContain('85.00mm');
    await expect.poll(source).toContain(encodeURIComponent('fill="#1f1f1f"'));
    await byId('figure-view').selectOption('heads');
    await expect.poll(source).toContain(encodeURIComponent('<title>Heads of'));
    await byId('figure-close').click();
  });

  test('a table is copied as TSV and saved as CSV, with all digits', async () => {
    await byId('twin').locator('button[data-name]').first().click();
    await byId('why').waitFor();
    // the whole table: what is answered between copying and saving would be in the file alone
    const answered = 'button[title*="attention probability"][title*="repeated random tokens"]';
    await byId('heads').locator(answered).first().waitFor({ timeout: 60_000 });
    await byId('heads').locator('.says .token').first().waitFor();
    await expect.poll(() => byId('heads').locator('.effect-figure.measured').count()).toBe(9);
    await byId('copy-heads').click();
    await expect.poll(() => host.last('copy')?.text).toContain('\t');
    const copied = (host.last('copy')?.text ?? '')
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    await byId('save-heads').click();
    const isSaved = () => host.last('save')?.name;
    await expect.poll(isSaved).toBe('heads-attention_I22_1-A23_13.csv');
    expect(cellsOf(host.last('save')?.content ?? '')).toEqual(copied);
    const [columns = [], ...rows] = copied;
    expect(rows.length).toBe(9);
    for (const row of rows) {
      const head = byId('heads').locator(`button[data-head="${row[columns.indexOf('head')]}"]`);
      const contribution = Number(row[columns.indexOf('contribution')]);
      expectShare((await head.locator('.number').textContent()) ?? '', contribution);
    }
  });

  test('the HTML page lives without VS Code and without a network', async () => {
    await byId('export').click();
    await byId('export-html').click();
    await expect.poll(() => host.last('savePage')).toBeDefined();
    expected.first = json.predictions[0]?.text ?? '';
    expected.views = await readViews(page);
    const { runId, payload } = await backend.analyze(IOI);
    const template = readFileSync(join(repositoryRoot, 'webview', 'dist', 'page.html'), 'utf8');
    const view = { runId, selection: EDGE };
    const recorded = await backend.request('lmTransparency/record', { runId, selection: EDGE });
    const { answers } = recorded as RecordResult;
    const bytes = Buffer.from(payload, 'base64');
    const file = join(folder, 'page.html');
    writeFileSync(file, fillPage(template, { title: 'ioi', runId, payload: bytes, view, effects: null, answers }));
    await expectAlive(browser, pathToFileURL(file).href, { ...expected, selected: EDGE });
  }, 120_000);

  test('so does the one that the command line writes', async () => {
    await cli;
    // the command line looks at nothing
    await expectAlive(browser, pathToFileURL(join(folder, 'cli.html')).href, {
      ...expected,
      selected: '',
      views: null,
    });
  }, 180_000);
});
