import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { restOf } from './places.ts';
import { expectShare, inspector, picture, selected, truthOf } from './reading.ts';
import { IOI, usePanel } from './window.ts';

/** The kept attention edges of a prompt's last token; some keep several heads, some one. */
interface Routes {
  threshold: number;
  edges: { name: string; layer: number; flow: number; heads: { head: number; weight: number }[] }[];
}

const LAST_LAYER = 29;

describe('the head overview', () => {
  const open = usePanel();
  const { edges, threshold } = truthOf<{ ioi: Routes }>('routes').ioi;
  let page: Page;

  const byId = byTestId(() => page);
  // the button is disabled where nothing is selected, and a click would wait for it
  const clearSelection = () =>
    inspector(page).getByRole('button', { name: 'Clear the selection' }).dispatchEvent('click');

  beforeAll(async () => void ({ page } = await open(IOI, { viewport: { width: 1180, height: 698 } })));

  const EDGE = 'attention:I22_1>A23_13';
  const headOf = (name: string) => edges.find((edge) => edge.name === name)?.heads[0]?.head ?? -1;

  /** Clicks the cell of a head: columns and rows have their numbers beside them. */
  async function clickHead(layer: number, head: number): Promise<void> {
    const column = await restOf(page.locator('.head-label').getByText(`${head}`, { exact: true }));
    const place = async (row: number) => {
      const box = await restOf(page.locator('.heads-stage .layer').getByText(`${row}`, { exact: true }));
      return box.y + box.height / 2;
    };
    const [bottom, top] = [await place(0), await place(LAST_LAYER)];
    await page.mouse.click(column.x + column.width / 2, bottom + ((top - bottom) * layer) / LAST_LAYER);
  }

  /** Whether a click on the middle of the strongest edge's curve opens it. */
  async function edgeOpens(): Promise<boolean> {
    await page.locator('body').press('Escape');
    const chips = await Promise.all([1, 13].map((position) => restOf(byId(`token-${position}`).first())));
    const rows = await Promise.all(
      [20, 25].map((row) => restOf(page.locator('.stage .layer').getByText(`${row}`, { exact: true }))),
    );
    const middle = chips.reduce((sum, box) => sum + (box.x + box.width / 2) / 2, 0);
    const [of20, of25] = rows.map((box) => box.y + box.height / 2) as [number, number];
    // the curve lies between layer 22 and the attention of layer 23
    const yOf = (layer: number) => of20 + ((of25 - of20) * (layer - 20)) / 5;
    for (let y = yOf(23.2); y < yOf(21.8); y += 1.5) {
      await page.mouse.click(middle, y);
      if ((await selected(page))?.startsWith(EDGE)) return true;
    }
    return false;
  }

  test('a click on a head lists the edges that it carries, strongest first', async () => {
    await clearSelection();
    await byId('view-routes').click();
    await byId('threshold').press('Enter');
    await page.keyboard.type(`${threshold}`);
    await page.keyboard.press('Enter');
    await byId('view-heads').click();
    // the grid grows when nothing is waited for any more
    await byId('head-tags').locator('.tag-legend').waitFor({ timeout: 60_000 });
    const head = headOf(EDGE);
    await clickHead(23, head);
    expect(await byId('head-filter').textContent()).toContain(`L23 H${head}`);
    const tau = Math.fround(threshold);
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
    await picture(page, page, 'heads');
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
