/** From click to painted inspector, in the real VS Code on the embedded model: median and p95 over 50 clicks a kind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser, openFile, openWorkbench, type RunningServer } from '../e2e/harness/index.ts';
import { analyze, startProduct } from '../e2e/product.ts';

const CLICKS = 50;
const STORY =
  'When Mary and John went to the store, John gave a drink to Mary. Later that day the two walked home along the ' +
  'river, talked about the war that lasted from the year 1732 to the year 1748, and counted the boats. ';

/** A prompt of about so many tokens; the panel says how many there are. */
const prompt = (words: number) =>
  STORY.repeat(Math.ceil(words / 40))
    .split(' ')
    .slice(0, words)
    .join(' ');

interface Kind {
  name: string;
  /** What is clicked: elements of the panel, each opening something that was not open before. */
  click: string;
  /** When it is painted: these must have answers for what was clicked. */
  until: string;
}

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
let server: RunningServer;
let browser: Browser;
let page: Page;
const report: string[] = [];

beforeAll(async () => {
  writeFileSync(join(folder, 'short.prompt'), prompt(53));
  writeFileSync(join(folder, 'long.prompt'), prompt(427));
  [server, browser] = await Promise.all([startProduct({ folder, own: true }), launchBrowser()]);
  page = await openWorkbench(browser, server);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
  rmSync(folder, { recursive: true });
  const names = ['click to painted', '… to answer', 'answer to paint'].map((name) => name.padStart(14)).join('');
  console.log(['', 'inspectors, ms: median / p95', `${' '.repeat(20)}${names}   clicks`, ...report, ''].join('\n'));
});

/** From the click: when the last answer came in, and when what it opens was painted. Milliseconds. */
interface Times {
  answered: number;
  painted: number;
}

/** Clicks one element and waits, in the page itself, until what it opens has been answered and painted. */
async function clicked(frame: FrameLocator, { click, until }: Kind, at: number): Promise<Times | null> {
  return frame.locator('[data-testid=panel]').evaluate(
    async (panel, { click, until, at }) => {
      const button = [...panel.querySelectorAll<HTMLElement>(click)][at];
      if (!button) return null;
      const inspector = panel.querySelector<HTMLElement>('[data-testid=inspector]');
      const before = inspector?.dataset.selection;
      const isThere = () =>
        inspector?.dataset.selection !== before &&
        panel.querySelector(until) !== null &&
        panel.querySelector('[data-testid=inspector] [aria-busy=true], [data-testid=inspector] .stale') === null;
      let answered = performance.now();
      const onMessage = (event: MessageEvent<{ type?: string }>) => {
        if (event.data.type === 'answer') answered = performance.now();
      };
      window.addEventListener('message', onMessage, { capture: true });
      const started = performance.now();
      button.click();
      await new Promise<void>((resolve) => {
        if (isThere()) return resolve();
        const observer = new MutationObserver(() => {
          if (!isThere()) return;
          observer.disconnect();
          resolve();
        });
        observer.observe(panel, { subtree: true, childList: true, attributes: true, characterData: true });
      });
      // the task after the next frame: it has been painted
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      window.removeEventListener('message', onMessage, { capture: true });
      return { answered: Math.max(0, answered - started), painted: performance.now() - started };
    },
    { click, until, at },
  );
}

function quantile(times: number[], q: number): string {
  const sorted = [...times].sort((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN).toFixed(0);
}

function summary(name: string, times: Times[]): string {
  const columns = [
    times.map((time) => time.painted),
    times.map((time) => time.answered),
    times.map((time) => time.painted - time.answered),
  ];
  const figures = columns.map((column) => `${quantile(column, 0.5)} / ${quantile(column, 0.95)}`.padStart(14));
  return `  ${name.padEnd(18)}${figures.join('')}${String(times.length).padStart(9)}`;
}

async function measure(frame: FrameLocator, kind: Kind, prepare: (round: number) => Promise<boolean>): Promise<void> {
  const times: Times[] = [];
  for (let round = 0; times.length < CLICKS && (await prepare(round)); round++) {
    for (let at = 0; times.length < CLICKS; at++) {
      const time = await clicked(frame, kind, at);
      if (time === null) break;
      times.push(time);
    }
  }
  expect(times.length).toBe(CLICKS);
  report.push(summary(kind.name, times));
}

async function open(file: string): Promise<{ frame: FrameLocator; tokens: number }> {
  await openFile(page, file);
  const frame = await analyze(page);
  await frame
    .getByRole('button', { name: /^Show all/ })
    .first()
    .click();
  // the last token is the target, whose chip is always there
  const names = await frame
    .locator('[data-testid^=token-]')
    .evaluateAll((chips) => chips.map((chip) => chip.getAttribute('data-testid') ?? ''));
  return { frame, tokens: 1 + Math.max(...names.map((name) => Number(name.slice('token-'.length)))) };
}

/** Selects the n-th row of the list of routes or nodes; false when there are no more. */
async function select(frame: FrameLocator, rows: string, n: number): Promise<boolean> {
  const row = frame.locator(`[data-testid=twin] ${rows}`).nth(n);
  if ((await row.count()) === 0) return false;
  await row.click();
  return true;
}

const once = (round: number) => Promise.resolve(round === 0);

/** Opens the next edge of the list and waits for its heads; the clicks on those are what is timed. */
async function nextEdge(frame: FrameLocator, round: number): Promise<boolean> {
  const found = await select(frame, '[data-name^=attention]', round);
  if (found) await frame.locator('[data-testid=head-promoted] li').first().waitFor();
  return found;
}

test('at 64 tokens', async () => {
  const { frame, tokens } = await open('short.prompt');
  const at = (kind: string) => `${kind}, T = ${tokens}`;
  const node = { name: at('node'), click: '[data-testid=twin] [data-name^=I]', until: '[data-testid=top-tokens] li' };
  await measure(frame, node, once);
  const heads = '[data-testid=heads] [data-head]';
  await measure(frame, { name: at('head'), click: heads, until: '[data-testid=head-promoted] li' }, (round) =>
    nextEdge(frame, round),
  );
  await select(frame, '[data-name^=I]', 0);
  await frame.locator('[data-testid=made-of] button', { hasText: 'feed-forward' }).click();
  await frame.locator('[data-testid=neurons] [data-neuron]').first().click();
  await frame.locator('[data-testid=neuron-promoted] li').first().waitFor();
  const positions = '[data-testid=neuron-positions] [data-position]';
  await measure(frame, { name: at('neuron'), click: positions, until: '[data-testid=neuron-promoted] li' }, once);
});

test('at 512 tokens', async () => {
  const { frame, tokens } = await open('long.prompt');
  const heads = '[data-testid=heads] [data-head]';
  await measure(frame, { name: `map, T = ${tokens}`, click: heads, until: '[data-testid=map-attention]' }, (round) =>
    nextEdge(frame, round),
  );
});
