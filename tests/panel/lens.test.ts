import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { boxOf } from './places.ts';
import { expectPercent, picture, selected, truthOf, visible } from './reading.ts';
import { IOI, usePanel } from './window.ts';

interface Followed {
  text: string;
  probability: number[][];
  rank: number[][];
}

/** Row 0 is the embeddings, row n the output of layer n − 1. */
interface LensTruth {
  top: string[][];
  topProbability: number[][];
  predicted: Followed;
  rival: Followed;
}

const LAST = { layer: 29, position: 13 };

describe('the lens grid', () => {
  const open = usePanel();
  const truth = truthOf<LensTruth>('lens');
  let page: Page;

  const byId = byTestId(() => page);
  const stage = () => page.locator('.stage');

  beforeAll(async () => void ({ page } = await open(IOI, { viewport: { width: 807, height: 698 } })));

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

  /** "·Mary 34% · followed ·the 5% rank 3"; the followed token is named only where another token is on top. */
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
    await page.locator('[data-testid=lens-grid]').waitFor();
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
      // the frame that draws it may be a late one
      await expect.poll(async () => drawn.has(await ink())).toBe(false);
      drawn.add(await ink());
    }
    expect(drawn.size).toBe(3);
    await picture(page, page, 'lens');
    const box = await boxOf(byId('lens-grid'));
    await page.mouse.click(box.x + box.width * 0.6, box.y + box.height * 0.4);
    expect(await selected(page)).toMatch(/^I\d+_\d+$/);
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
    expect(await selected(page)).toMatch(/^I5_\d+$/);
  });
});

/** Counted from 1; far down logits are so near to each other that float32 moves a token by a rank or two. */
function expectRank(shown: string | undefined, rank: number): void {
  const said = `${shown} for ${rank + 1}`;
  expect(Math.abs(Number(shown?.replaceAll(',', '')) - rank - 1), said).toBeLessThanOrEqual(Math.ceil(rank / 400));
}
