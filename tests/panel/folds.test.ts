/** The first view of a prompt, however long, shows what carries its routes. */
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import { boxOf, restOf } from './places.ts';
import type { PanelHost } from './host.ts';
import { story } from './story.ts';
import { IOI, usePanel } from './window.ts';

/** The panel beside the editor, in windows of 1440 × 900, 1280 × 800 with side bar, and 900 × 800. */
const SIZES = [
  [836, 812],
  [620, 712],
  [600, 712],
] as const;

describe('the first view', () => {
  const open = usePanel();
  let host: PanelHost;
  let page: Page;
  const byId = byTestId(() => page);

  beforeAll(async () => {
    ({ host, page } = await open({ prompt: story(794) }, { viewport: { width: 836, height: 812 } }));
  });

  /** Source and target of the ten strongest edges between different tokens. */
  async function strongestEnds(): Promise<number[]> {
    const names = await byId('twin')
      .locator('[data-name^="attention:"]')
      .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset['name'] ?? ''));
    const ends = names.map((name) => [...name.matchAll(/_(\d+)/g)].map(([, position]) => Number(position)));
    const between = ends.filter(([from, to]) => from !== to).slice(0, 10);
    expect(between).toHaveLength(10);
    return [...new Set(between.flat())];
  }

  async function expectEndsInView(): Promise<void> {
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      const stage = await restOf(page.locator('.stage'));
      for (const position of await strongestEnds()) {
        const box = await boxOf(byId(`token-${position}`).first());
        const isIn = box.x >= stage.x && box.x + box.width <= stage.x + stage.width + 0.5;
        const isOver = box.y + box.height <= Math.min(height, stage.y + stage.height) + 0.5;
        expect([width, position, isIn, isOver, box.width > 12]).toEqual([width, position, true, true, true]);
      }
      const sizes = await page
        .locator('.tokens .chip .token')
        .evaluateAll((texts) => texts.map((text) => parseFloat(getComputedStyle(text).fontSize)));
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(11);
      expect(await page.locator('.leaving').count()).toBe(0);
    }
  }

  test('of 963 tokens has the ends of the ten strongest edges, at all sizes', async () => {
    await expectEndsInView();
    expect(await byId('fold-line').textContent()).toMatch(/^963 tokens: 9\d\d that carry/);
  });

  test('and its folds open by click and key', async () => {
    const folds = page.locator('.fold');
    const before = await folds.count();
    await folds.first().click();
    await expect.poll(() => folds.count()).toBe(before - 1);
    await page.locator('.group-line').first().click();
    await expect.poll(() => folds.count()).toBe(before);
    await page.locator('.stage').press('u');
    await expect.poll(() => folds.count()).toBe(0);
    const chip = page.locator('.leaving').first();
    const name = ((await chip.getAttribute('data-testid')) ?? '').replace('leaving', 'token');
    await chip.click();
    await byId(name).waitFor();
    await page.locator('.stage').press('u');
    await expect.poll(() => folds.count()).toBe(before);
  });

  test('of 207 tokens, and of 14, has them too', async () => {
    for (const [prompt, wanted] of [
      [{ prompt: story(138) }, 207],
      [IOI, 14],
    ] as const) {
      await host.analyze(prompt);
      await byId(`token-${wanted - 1}`).waitFor();
      await expectEndsInView();
      expect(await byId('fold-line').count()).toBe(wanted > 100 ? 1 : 0);
    }
  });
});
