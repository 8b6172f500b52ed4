/** What only a layout shows: the panel's development page in a browser, at the widths of a panel beside an editor. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import { launchBrowser } from '../e2e/harness/index.ts';

const address = pathToFileURL(join(repositoryRoot, 'webview', 'dist', 'dev.html')).href;
let browser: Browser;
let page: Page;

async function open(query: string, width: number, height = 760): Promise<void> {
  page = await browser.newPage({ viewport: { width, height } });
  await page.goto(`${address}?${query}`);
  await page.locator('[data-testid=panel][data-state=ready]').waitFor();
}

const byId = (id: string): Locator => page.locator(`[data-testid=${id}]`);

interface Edges {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const edgesOf = (place: Locator): Promise<Edges> =>
  place.evaluate((element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return { left, right, top, bottom };
  });

/** Whether all of it can be seen: inside of the panel, and in nothing that cuts it off. */
async function expectWhole(place: Locator): Promise<void> {
  const { width, height } = page.viewportSize() ?? { width: 0, height: 0 };
  const box = await edgesOf(place);
  expect(box.left).toBeGreaterThanOrEqual(0);
  expect(box.top).toBeGreaterThanOrEqual(0);
  expect(box.right).toBeLessThanOrEqual(width);
  expect(box.bottom).toBeLessThanOrEqual(height);
  const seen = await place.evaluate(
    (element, [left, right, top, bottom]) => {
      const at = (x: number, y: number) => element.contains(document.elementFromPoint(x, y));
      return at(left + 3, (top + bottom) / 2) && at(right - 3, (top + bottom) / 2);
    },
    [box.left, box.right, box.top, box.bottom] as const,
  );
  expect(seen).toBe(true);
}

/** Where the text of an element is drawn, which may be outside of its box. */
const inkOf = (place: Locator): Promise<Edges> =>
  place.evaluate((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const { left, right, top, bottom } = range.getBoundingClientRect();
    return { left, right, top, bottom };
  });

const meet = (a: Edges, b: Edges): boolean =>
  Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
  Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;

beforeAll(async () => {
  browser = await launchBrowser();
});

afterEach(() => page.close());
afterAll(() => browser.close());

describe.each([440, 600, 900, 1440])('at %i pixels', (width) => {
  test('what opens under a button is all there', async () => {
    await open('sample=30x80', width);
    for (const [button, popup] of [
      ['share', '.menu[role=menu]'],
      ['proof', '[data-testid=proof-layers]'],
      ['more-options', '.folded.open'],
    ] as const) {
      if (!(await byId(button).isVisible())) continue;
      await byId(button).click();
      await expectWhole(page.locator(popup));
      await page.keyboard.press('Escape');
    }
    await expectWhole(byId('maximize-inspector'));
  });

  test('what is said at the pointer is all there', async () => {
    await open('sample=ioi', width);
    await byId('view-heads').click();
    const { left, right, top, bottom } = await edgesOf(byId('heads-overview'));
    for (const [x, y] of [
      [left + 60, top + 40],
      [right - 20, top + 40],
      [right - 20, bottom - 20],
    ] as const) {
      await page.mouse.move(x, y);
      if ((await page.locator('.tooltip').count()) === 0) continue;
      const tip = await edgesOf(page.locator('.tooltip'));
      expect(Math.min(tip.left, tip.top)).toBeGreaterThanOrEqual(0);
      expect(tip.right).toBeLessThanOrEqual(width);
      expect(tip.bottom).toBeLessThanOrEqual(760);
    }
  });

  test('the prediction at the target covers no other', async () => {
    await open('sample=ioi', width);
    const places = page.locator('.prediction');
    // a narrower column has no room for one
    if (width >= 600) expect(await places.count()).toBe(15);
    const edges = await Promise.all((await places.all()).map(edgesOf));
    for (const [i, one] of edges.entries())
      for (const other of edges.slice(i + 1)) expect(meet(one, other)).toBe(false);
  });

  test('a head is chosen without the others moving', async () => {
    await open('sample=ioi', width);
    await byId('view-heads').click();
    // nothing is measured any more, which the lines over the view tell about
    await byId('trust-said').waitFor();
    await byId('trust-going').waitFor({ state: 'detached' });
    // the letters' legend, or what stands there where cells have no room for letters
    await page.locator('.tag-legend').or(page.getByText('Point at a head')).first().waitFor();
    const hint = page.getByText('Click a head');
    await expectWhole(hint);
    expect((await inkOf(hint)).bottom).toBeLessThanOrEqual((await edgesOf(page.locator('.head-detail'))).bottom);
    const before = await edgesOf(byId('heads-overview'));
    await page.mouse.click(before.left + 80, before.top + 60);
    await byId('head-detail').waitFor();
    expect(await edgesOf(byId('heads-overview'))).toEqual(before);
  });

  test('headings and titles are not cut off or covered', async () => {
    await open('sample=ioi&select=M23_14', width);
    for (const section of await page.locator('.pair .section').all()) {
      await section.hover();
      const [box, heading, tools] = await Promise.all([
        edgesOf(section),
        inkOf(section.locator('h3')),
        edgesOf(section.locator('.tools')),
      ]);
      expect(meet(heading, tools)).toBe(false);
      expect(heading.right).toBeLessThanOrEqual(box.right + 0.5);
    }
    await page.close();
    await open('sample=ioi&select=attention:I22_2%3EA23_14&slow=60000', width);
    await page.locator('.cell-map').first().waitFor();
    const titles = await page.locator('.cell-map figcaption').all();
    expect(titles.length).toBeGreaterThan(0);
    for (const title of titles) {
      const fits = await title.evaluate((element) => {
        const figure = element.closest('figure');
        return element.scrollWidth <= element.clientWidth && (!figure || figure.scrollWidth <= figure.clientWidth + 2);
      });
      expect(fits).toBe(true);
    }
  });

  test('the lens grid has room for its rows, and shows them as they come', async () => {
    await open('sample=ioi&slow=1500', width);
    await byId('view-lens').click();
    await page.locator('.waiting-line', { hasText: 'of 31 rows' }).waitFor();
    const inked = await byId('lens-grid').evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
        0,
        0,
        canvas.width,
        canvas.height,
      );
      return data.some((value, index) => index % 4 === 3 && value > 0);
    });
    expect(inked).toBe(true);
    const { top, bottom } = await edgesOf(page.locator('.stage'));
    expect(bottom - top).toBeGreaterThan(300);
  });
});
