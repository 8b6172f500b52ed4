import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { notifications, openFile, runCommand, screenshot, webviewFrame } from './harness/index.ts';
import { expectPercent, expectShare, inspector, picture, pictures, selected, truthOf } from './inspector-steps.ts';
import { keptEdges, type EdgeRow } from './kept-edges.ts';
import { expectRank, type Followed, type LensTruth } from './lens-truth.ts';
import { analyze, samples, visible } from './product.ts';
import { byTestId, useWindow } from './window.ts';

const LAST = { layer: 29, position: 13 };
/** About 130 tokens. */
const LONG = [1732, 1848, 1914, 1999]
  .map(
    (year) =>
      `When Mary and John went to the store in ${year}, John gave a drink to Mary, who walked home along the river.`,
  )
  .concat('Then they counted the boats, talked about the war, and John gave a boat to')
  .join(' ');
/** Some edges keep several heads, some one. */
const THRESHOLD = '0.04';

describe('lens, heads and heat in the real VS Code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'views-'));
  const open = useWindow(folder);
  let page: Page;
  let frame: FrameLocator;
  let truth: LensTruth;
  let edges: EdgeRow[];

  const byId = byTestId(() => frame);
  const stage = () => frame.locator('.stage');
  // the button is disabled where nothing is selected, and a click would wait for it
  const clearSelection = () =>
    inspector(frame).getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');
  const boxOf = async (place: Locator) => {
    const box = await place.boundingBox();
    if (!box) throw new Error('it is not on screen');
    return box;
  };
  /** The same once it is at rest: what is in a view is placed after the view is drawn and measured. */
  const restOf = async (place: Locator) => {
    const seen: string[] = [];
    const rests = async () => seen.unshift(JSON.stringify(await boxOf(place))) > 1 && seen[0] === seen[1];
    await expect.poll(rests).toBe(true);
    return boxOf(place);
  };

  beforeAll(async () => {
    cpSync(samples, folder, { recursive: true });
    writeFileSync(join(folder, 'long.prompt'), LONG);
    const prompt = join(folder, 'ioi.prompt');
    [truth, edges, { page }] = await Promise.all([
      truthOf<LensTruth>('expected_lens.py', prompt),
      keptEdges(prompt, THRESHOLD),
      open({ folder }, { file: prompt, viewport: { width: 1280, height: 800 } }),
    ]);
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
  });

  describe('the lens grid', () => {
    // where the keyboard stands
    const at = { layer: 0, position: 0 };

    async function go(layer: number, position: number): Promise<string> {
      const steps = [
        ['ArrowRight', position - at.position],
        ['ArrowLeft', at.position - position],
        ['ArrowUp', layer - at.layer],
        ['ArrowDown', at.layer - layer],
      ] as const;
      for (const [key, times] of steps) for (let i = 0; i < times; i++) await page.keyboard.press(key);
      Object.assign(at, { layer, position });
      const where = `position ${position}, ${layer < 0 ? 'embedding' : `after layer ${layer}`}:`;
      await expect.poll(() => byId('lens-cell-readout').textContent()).toContain(where);
      return (await byId('lens-cell-readout').textContent())?.split(where)[1] ?? '';
    }

    /** "·Mary 34% · followed ·the 5% rank 3"; what is followed is told where another token is on top. */
    async function expectCell(layer: number, position: number, followed: Followed): Promise<void> {
      const words = await go(layer, position);
      const [row, own] = [layer + 1, followed.text];
      const top = truth.top[row]?.[position] ?? '';
      const parts = /^ (.+?) (<?[\d.]+%)(?: · followed (.+?) (<?[\d.]+%) rank ([\d,]+))?$/.exec(words) ?? [];
      if (!/[^\S ]/.test(top)) expect(parts[1], words).toBe(visible(top));
      expectPercent(parts[2] ?? '', truth.topProbability[row]?.[position] ?? NaN);
      if (top === own) return expect(parts[3]).toBeUndefined();
      expect(parts[3]).toBe(visible(own));
      expectPercent(parts[4] ?? '', followed.probability[row]?.[position] ?? NaN);
      expectRank(parts[5], followed.rank[row]?.[position] ?? NaN);
    }

    test('its last row is what the model predicts', async () => {
      await byId('view-lens').click();
      await frame.locator('[data-testid=lens-grid]').waitFor();
      await byId('lens-chart').waitFor({ timeout: 60_000 });
      await stage().focus();
      // the first arrow only shows where one is
      await page.keyboard.press('ArrowLeft');
      Object.assign(at, LAST);
      for (let position = LAST.position; position >= 0; position--) {
        await expectCell(LAST.layer, position, truth.predicted);
      }
    });

    test('cells of other layers, and in each probability and rank of the token that is followed', async () => {
      expect(await byId('follow-target').textContent()).toBe(visible(truth.predicted.text));
      for (const layer of [27, 25, 22, 17, 11, 4, 0, -1]) {
        for (const position of layer % 2 ? [1, 7, 13] : [12, 9, 3]) await expectCell(layer, position, truth.predicted);
      }
    });

    test('the lines over the layers, and a rival', async () => {
      const readout = byId('lens-chart').locator('.readout');
      const tracks = async () => {
        const words = await readout.locator('.track').allTextContents();
        return words.map((track) => /^(.+?) (<?[\d.]+%) rank ([\d,]+)$/.exec(track)?.slice(1) ?? []);
      };
      await byId('rival').selectOption({ label: visible(truth.rival.text) });
      await expect.poll(() => readout.locator('.track').count()).toBe(2);
      await byId('lens-chart').locator('[role=slider]').focus();
      for (const layer of [LAST.layer, 24, 16]) {
        await page.keyboard.press('End');
        for (let i = layer; i < LAST.layer; i++) await page.keyboard.press('ArrowLeft');
        await expect.poll(() => readout.textContent()).toContain(`layer ${layer}:`);
        for (const [index, followed] of [truth.predicted, truth.rival].entries()) {
          const [text, probability, rank] = (await tracks())[index] ?? [];
          expect(text).toBe(visible(followed.text));
          expectPercent(probability ?? '', followed.probability[layer + 1]?.[LAST.position] ?? NaN);
          expectRank(rank, followed.rank[layer + 1]?.[LAST.position] ?? NaN);
        }
      }
      expect(await byId('lens-chart').locator('svg.chart path.track').count()).toBe(4);
      await byId('follow-rival').click();
      await stage().focus();
      await page.keyboard.press('ArrowUp');
      at.layer = Math.min(LAST.layer, at.layer + 1);
      await expect.poll(() => byId('lens-cell-readout').textContent()).toContain(visible(truth.rival.text));
      for (const layer of [23, 12]) await expectCell(layer, LAST.position, truth.rival);
      await byId('follow-target').click();
    });

    test('colour by rank, by top token; a click opens the state', async () => {
      const ink = () => byId('lens-grid').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL().slice(-4000));
      const drawn = new Set<string>();
      for (const colour of ['probability', 'rank', 'top']) {
        await byId('lens-colour').locator(`[data-colour=${colour}]`).click();
        await page.waitForTimeout(300);
        // the frame that draws it may be a late one
        await expect.poll(async () => drawn.has(await ink())).toBe(false);
        drawn.add(await ink());
      }
      expect(drawn.size).toBe(3);
      await picture(page, frame, 'lens');
      const box = await boxOf(byId('lens-grid'));
      await page.mouse.click(box.x + box.width * 0.6, box.y + box.height * 0.4);
      expect(await selected(frame)).toMatch(/^I\d+_\d+$/);
      await byId('top-tokens').waitFor();
    });

    test('"/" leads to a layer', async () => {
      await stage().focus();
      await page.keyboard.press('/');
      await byId('finder').fill('layer 5');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Escape');
      await expect.poll(() => byId('lens-cell-readout').textContent()).toContain('after layer 5:');
      await page.keyboard.press('Enter');
      expect(await selected(frame)).toMatch(/^I5_\d+$/);
    });
  });

  describe('the head overview', () => {
    const EDGE = 'attention:I22_1>A23_13';
    const headOf = (name: string) => edges.find((edge) => edge.name === name)?.heads[0]?.head ?? -1;

    /** Clicks the cell of a head: columns and rows have their numbers beside them. */
    async function clickHead(layer: number, head: number): Promise<void> {
      const column = await restOf(frame.locator('.head-label').getByText(`${head}`, { exact: true }));
      const place = async (row: number) => {
        const box = await restOf(frame.locator('.heads-stage .layer').getByText(`${row}`, { exact: true }));
        return box.y + box.height / 2;
      };
      const [bottom, top] = [await place(0), await place(LAST.layer)];
      await page.mouse.click(column.x + column.width / 2, bottom + ((top - bottom) * layer) / LAST.layer);
    }

    /** Whether a click on the middle of the strongest edge's curve opens it. */
    async function edgeOpens(): Promise<boolean> {
      await frame.locator('body').press('Escape');
      const chips = await Promise.all([1, 13].map((position) => restOf(byId(`token-${position}`).first())));
      const rows = await Promise.all(
        [20, 25].map((row) => restOf(frame.locator('.stage .layer').getByText(`${row}`, { exact: true }))),
      );
      const middle = chips.reduce((sum, box) => sum + (box.x + box.width / 2) / 2, 0);
      const [of20, of25] = rows.map((box) => box.y + box.height / 2) as [number, number];
      // the curve lies between layer 22 and the attention of layer 23
      const yOf = (layer: number) => of20 + ((of25 - of20) * (layer - 20)) / 5;
      for (let y = yOf(23.2); y < yOf(21.8); y += 1.5) {
        await page.mouse.click(middle, y);
        if ((await selected(frame))?.startsWith(EDGE)) return true;
      }
      return false;
    }

    test('a click on a head lists the edges that it carries, strongest first', async () => {
      await clearSelection();
      await byId('view-routes').click();
      await byId('threshold').press('Enter');
      await page.keyboard.type(THRESHOLD);
      await page.keyboard.press('Enter');
      await byId('view-heads').click();
      // the grid grows when nothing is waited for any more
      await byId('head-tags').locator('.tag-legend').waitFor({ timeout: 60_000 });
      const head = headOf(EDGE);
      await clickHead(23, head);
      expect(await byId('head-filter').textContent()).toContain(`L23 H${head}`);
      const tau = Math.fround(Number(THRESHOLD));
      const wanted = edges
        .filter(({ layer }) => layer === 23)
        .flatMap(({ name, flow, heads }) => {
          const kept = heads.filter(({ weight }) => weight > tau);
          const own = kept.find((part) => part.head === head);
          const whole = kept.reduce((sum, { weight }) => sum + weight, 0);
          return own ? [{ name: `${name}#${head}`, flow: (flow * own.weight) / whole }] : [];
        })
        .sort((a, b) => b.flow - a.flow);
      const rows = byId('head-detail').locator('button[data-name]');
      expect(await rows.evaluateAll((all) => all.map((row) => row.getAttribute('data-name')))).toEqual(
        wanted.slice(0, 6).map(({ name }) => name),
      );
      expect(wanted.length).toBeGreaterThan(0);
      for (const [index, { flow }] of wanted.slice(0, 6).entries()) {
        expectShare((await rows.nth(index).locator('.number').textContent()) ?? '', flow);
      }
      const total = /[\d.]+$/.exec((await byId('head-detail').locator('h3 .dim').first().textContent()) ?? '')?.[0];
      expectShare(
        total ?? '',
        wanted.reduce((sum, { flow }) => sum + flow, 0),
      );
      expect(await byId('head-detail').locator('.scores li').count()).toBe(5);
      await picture(page, frame, 'heads');
    });

    test('Routes shows only its edges, until its chip is clicked', async () => {
      await byId('view-routes').click();
      expect(await edgeOpens()).toBe(true);
      await byId('view-heads').click();
      const other = edges.find(({ layer, heads }) => layer < 20 && heads.length === 1);
      await clickHead(other?.layer ?? -1, other?.heads[0]?.head ?? -1);
      await byId('view-routes').click();
      expect(await edgeOpens()).toBe(false);
      await byId('head-filter').click();
      await byId('head-filter').waitFor({ state: 'hidden' });
      expect(await edgeOpens()).toBe(true);
    });
  });

  test('at 1280 × 800 everything important is on screen in every view', async () => {
    for (const view of ['view-lens', 'view-heads', 'view-routes']) {
      await byId(view).click();
      await page.waitForTimeout(300);
      await restOf(view === 'view-heads' ? stage() : byId(`token-${LAST.position}`).first());
      const { x, y, width, height } = await boxOf(frame.locator('body'));
      const inside = async (place: Locator, name: string) => {
        const box = await boxOf(place);
        const fits = box.x >= x && box.y >= y && box.x + box.width <= x + width && box.y + box.height <= y + height;
        expect(fits, `${view}: ${name} ${JSON.stringify(box)}`).toBe(true);
      };
      const buttons = frame.locator('.toolbar button, .toolbar input');
      for (let i = 0; i < (await buttons.count()); i++) {
        if (await buttons.nth(i).isVisible()) await inside(buttons.nth(i), `toolbar ${i}`);
      }
      for (const id of ['edge-count', 'proof', 'export', 'model']) await inside(byId(id), id);
      await inside(stage(), 'graph');
      await inside(inspector(frame).locator('.what'), 'inspector');
      expect((await boxOf(stage())).height, view).toBeGreaterThan(height * 0.4);
      expect((await boxOf(frame.locator('.side'))).width, view).toBeGreaterThan(220);
      // nothing hangs out, by which the focus could scroll the panel away
      const hidden = await frame.locator('html').evaluate((page) => page.scrollHeight - page.clientHeight);
      expect(hidden, view).toBe(0);
      for (let token = 0; view !== 'view-heads' && token <= LAST.position; token++) {
        await inside(byId(`token-${token}`).first(), `token ${token}`);
      }
    }
  });

  test('the splitter gives room, and either part can have all of it', async () => {
    const width = async () => (await boxOf(stage())).width;
    const before = await width();
    const bar = await boxOf(byId('splitter'));
    await page.mouse.move(bar.x + bar.width / 2, bar.y + 200);
    await page.mouse.down();
    await page.mouse.move(bar.x - 90, bar.y + 220, { steps: 4 });
    await page.mouse.up();
    await expect.poll(width).toBeLessThan(before - 60);
    await byId('splitter').dblclick();
    await expect.poll(width).toBe(before);
    await byId('maximize-graph').click();
    await inspector(frame).waitFor({ state: 'hidden' });
    expect(await width()).toBeGreaterThan(before + 100);
    await page.keyboard.press('m');
    await inspector(frame).waitFor();
    await byId('maximize-inspector').click();
    await stage().waitFor({ state: 'hidden' });
    await byId('maximize-inspector').click();
    await expect.poll(width).toBe(before);
  });

  describe('heat on the prompt', () => {
    const warm = () => page.locator('.view-overlays .cdr[class*="ced-"]');

    test('is drawn on the text of the editor', async () => {
      // the token of what is selected is marked there, too
      await clearSelection();
      await expect.poll(() => warm().count()).toBe(0);
      if (await byId('more-options').isVisible()) await byId('more-options').click();
      await byId('heat').click();
      await expect.poll(() => warm().count()).toBeGreaterThan(4);
      const colours = () =>
        warm().evaluateAll((all) =>
          all.map((one) => getComputedStyle(one).backgroundColor || getComputedStyle(one).background),
        );
      // each step of heat is drawn by itself
      await expect.poll(async () => new Set(await colours()).size).toBeGreaterThan(2);
      await frame.locator('.legend').click();
      await page.mouse.move(640, 790);
      await page.waitForTimeout(400);
      // the whole window: the text is not in the panel
      await screenshot(page, 'heat', pictures);
    });

    test('and goes when the text is changed', async () => {
      await page.locator('.view-line').first().click();
      await page.keyboard.press('End');
      await page.keyboard.type('!');
      await expect.poll(() => warm().count()).toBe(0);
      await page.keyboard.press('Control+z');
      expect(await notifications(page)).toEqual([]);
    });
  });

  test('of a long prompt the graph of the last token is drawn first, and is the one of the whole', async () => {
    await openFile(page, 'long.prompt');
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    const long = webviewFrame(page);
    const at = (id: string) => long.locator(`[data-testid="${id}"]`);
    // at one time: the rest may come in a moment
    const drawn = () =>
      long.locator('html').evaluate((root) => {
        const part = (id: string) => root.querySelector<HTMLElement>(`[data-testid="${id}"]`);
        return {
          edges: part('edge-count')?.textContent ?? '',
          threshold: root.querySelector<HTMLInputElement>('[data-testid="threshold-value"]')?.value ?? '',
          rows: [...root.querySelectorAll('.side .routes li')].map((row) => row.textContent),
          open: part('filling')?.dataset['open'],
        };
      });
    let seen = {} as Awaited<ReturnType<typeof drawn>>;
    await expect.poll(async () => (seen = await drawn()).open ?? '', { timeout: 60_000 }).not.toBe('');
    const { open, ...first } = seen;
    await screenshot(page, 'first-graph');
    expect([open, Number.parseInt(first.edges, 10) > 5]).toEqual(['false', true]);
    await at('filling').waitFor({ state: 'detached', timeout: 60_000 });
    await page.waitForTimeout(300);
    expect(await drawn()).toEqual(first);
    const kept = await keptEdges(join(folder, 'long.prompt'), first.threshold);
    const across = kept.filter(({ name }) => /_(\d+)>.*_(?!\1$)\d+$/.test(name));
    expect(Number.parseInt(first.edges, 10)).toBe(across.length);
    // what one looks at has not moved, and another target is there at once
    await at('token-132').waitFor();
    await at('token-131').click();
    await expect.poll(drawn).not.toEqual(first);
    expect(await at('filling').count()).toBe(0);
  });

  test('a file that is opened from the graph stays out of its group, whose keyboard is on the graph', async () => {
    const groups = page.locator('.editor-group-container');
    await webviewFrame(page)
      .locator('.stage')
      .click({ position: { x: 4, y: 4 } });
    await openFile(page, 'year.prompt');
    expect(await groups.first().locator('.tab', { hasText: 'year.prompt' }).count()).toBe(1);
    await analyze(page);
    expect(await groups.count()).toBe(2);
    await page.keyboard.press('Control+2');
    const body = webviewFrame(page).locator('body');
    await expect.poll(() => body.evaluate(() => document.activeElement?.classList.contains('stage'))).toBe(true);
  });
});
