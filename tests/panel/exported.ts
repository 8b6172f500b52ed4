// What exports hold: tables, and the page that lives without VS Code.
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { edgeCount, visible } from './reading.ts';

/** RFC 4180: cells with a comma, a quote or a line end stand in quotes, quotes doubled. */
export function cellsOf(csv: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '') break;
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

/** What the views and inspectors say of the strongest edge, a node, a block and a cell, read off a panel that asks or a page that brought answers. */
export async function readViews(place: Page): Promise<Record<string, string[]>> {
  const there = byTestId(() => place);
  const texts = (selector: string) => place.locator(selector).allTextContents();
  const answered = (id: string) => there(id).locator('li').first().waitFor();

  await there('twin').locator('button[data-name]').first().click();
  await there('heads').locator('.says .token').first().waitFor();
  await expect.poll(() => place.locator('[data-testid=heads] .pending').count()).toBe(0);
  await expect.poll(() => there('map-words').textContent()).toContain('probability');
  await there('maps-toggle').click();
  await place.locator('[data-testid=maps] .number').last().filter({ hasText: /\d/ }).waitFor();
  const edge = {
    heads: await rowsOf(place, '[data-testid=heads] button[data-head]'),
    why: await texts('[data-testid=why], [data-testid=why-entropy], [data-testid=head-promoted]'),
    map: await texts('[data-testid=map-words], [data-testid=maps] .number'),
  };
  await there('maps-toggle').click();
  await there('all-heads').click();
  await place.locator('[data-testid=map-attention][data-head=all]').waitFor();

  await there('inspector').locator('h2.what button').first().click();
  await answered('top-tokens');
  const node = { token: await texts('[data-testid=top-tokens]') };
  await place.locator('[data-testid=made-of] button[title^="ffn edge"]').first().click();
  await answered('promoted');
  const block = { promoted: await texts('[data-testid=promoted]') };

  await there('view-lens').click();
  await there('lens-chart').waitFor({ timeout: 60_000 });
  await place.locator('.stage').focus();
  await place.keyboard.press('ArrowLeft');
  const lens = { lens: await texts('[data-testid=lens-cell-readout], [data-testid=lens-chart] .readout') };
  await there('view-heads').click();
  await place.locator('.tag-legend').waitFor();
  const heads = { tags: await texts('.tag-legend') };
  await there('view-routes').click();
  return { ...edge, ...node, ...block, ...lens, ...heads };
}

/** Name and figures of each head, without the effects, which a panel measures. */
async function rowsOf(place: Page, selector: string): Promise<string[]> {
  const rows = await place.locator(selector).all();
  const words = rows.map(async (row) => {
    const figures = await row.locator('.figure, .tag, .says').allTextContents();
    return [await row.getAttribute('data-head'), ...figures].join(' ');
  });
  return (await Promise.all(words)).sort();
}

interface Expected {
  /** What it has selected. */
  selected: string;
  /** Its first prediction. */
  first: string;
  /** Texts of a panel with the same analysis, from `readViews`; null: the page only needs to have answers. */
  views: Record<string, string[]> | null;
}

/** Opens the page of ioi.prompt without a network, and uses it. */
export async function expectAlive(browser: Browser, address: string, expected: Expected): Promise<void> {
  const { first } = expected;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.setOffline(true);
  const opened = await context.newPage();
  const [asked, complaints]: [string[], string[]] = [[], []];
  opened.on('request', (request) => asked.push(request.url()));
  opened.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  opened.on('pageerror', (error) => complaints.push(error.message));
  await opened.goto(address);
  const there = byTestId(() => opened);
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
  expect(await selection()).toBe(expected.selected);
  await there('inspector').getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');
  await expect.poll(selection).toBe('');

  const before = await edgeCount(opened);
  expect(before).toBeGreaterThan(5);
  await there('threshold').focus();
  for (let i = 0; i < 20; i++) await opened.keyboard.press('ArrowLeft');
  await expect.poll(() => edgeCount(opened)).toBeGreaterThan(before);

  await there('token-9').first().click();
  await expect.poll(() => there('inspector').textContent()).toContain('position 9');
  await there('token-13').first().click();
  await expect.poll(() => there('predictions').locator('li').first().textContent()).toContain(visible(first));

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
  await there('auto').click();
  if (expected.views) expect(await readViews(opened)).toEqual(expected.views);
  else {
    await there('twin').locator('button[data-name]').first().click();
    await there('heads').locator('.says .token').first().waitFor();
    await expect.poll(() => there('map-words').textContent()).toContain('probability');
  }
  expect(await opened.getByText(/unavailable|not among them/).count()).toBe(0);

  expect(asked.filter((url) => url !== address && !url.startsWith('data:'))).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
}
