import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { boxOf } from './places.ts';
import { edgeCount, inspector, selected, truthOf, visible } from './reading.ts';
import { IOI, usePanel } from './window.ts';

interface Truth {
  tokens: string[];
  predictions: { text: string; probability: number }[];
  /** Row 0 is the embeddings, row n the output of layer n − 1. */
  top: string[][];
}

describe('the routes of a prompt', () => {
  const open = usePanel();
  const truth = truthOf<Truth>('lens');
  const last = truth.tokens.length - 1;
  let page: Page;

  const byId = byTestId(() => page);
  const chip = (position: number) => byId(`token-${position}`).first();
  /** The most probable token after a layer is at the top of the inspector's list. */
  const expectTopToken = (layer: number) =>
    expect
      .poll(() => byId('top-tokens').locator('li').first().textContent())
      .toContain(visible(truth.top[layer + 1]?.[last] ?? ''));

  beforeAll(async () => void ({ page } = await open(IOI)));

  test('tokens and predictions are those of plain transformers', async () => {
    for (const [position, token] of truth.tokens.entries())
      await expect(chip(position).textContent()).resolves.toContain(visible(token));
    expect(await byId(`token-${last + 1}`).count()).toBe(0);
    const first = byId('predictions').locator('li').first();
    const { text = '', probability = 0 } = truth.predictions[last] ?? {};
    expect(text).toBe(' Mary');
    expect(await first.locator('.token').textContent()).toBe(visible(text));
    expect(await first.locator('.number').textContent()).toBe(`${Math.round(100 * probability)}%`);
  });

  test('dragging the threshold changes the edges at once', async () => {
    const before = await edgeCount(page);
    expect(before).toBeGreaterThan(5);
    expect(before).toBeLessThanOrEqual(60);
    await byId('threshold').focus();
    for (let i = 0; i < 5; i++) await byId('threshold').press('ArrowLeft');
    await expect.poll(() => edgeCount(page)).toBeGreaterThan(before);
    for (let i = 0; i < 40; i++) await byId('threshold').press('ArrowRight');
    await expect.poll(() => edgeCount(page)).toBeLessThan(before);
  });

  test('clicking a token makes it the target', async () => {
    const before = await edgeCount(page);
    await chip(5).click();
    await expect.poll(() => edgeCount(page)).not.toBe(before);
    await expect.poll(() => inspector(page).textContent()).toContain(visible(truth.predictions[5]?.text ?? ''));
  });

  test('a node of the list opens to the logit lens that plain transformers computes', async () => {
    await chip(last).click();
    await byId('auto').click();
    await page.getByRole('button', { name: /^Show all/ }).click();
    await byId('twin').locator(`[data-name="I28_${last}"]`).click();
    await expectTopToken(28);
  });

  test('a node of the drawing opens where it is clicked', async () => {
    const column = await boxOf(chip(last));
    const canvas = await boxOf(byId('graph-canvas'));
    const clicked: string[] = [];
    // up the column of the target in small steps
    for (let y = column.y - 40; y > canvas.y + 20 && clicked.length < 3; y -= 7) {
      await page.mouse.click(column.x + column.width / 2, y);
      const name = (await selected(page)) ?? '';
      if (name.startsWith('I') && !clicked.includes(name)) clicked.push(name);
    }
    const [, layer, position] = /^I(\d+)_(\d+)$/.exec(clicked[2] ?? '') ?? [];
    expect(Number(position)).toBe(last);
    await expectTopToken(Number(layer));
  });
});
