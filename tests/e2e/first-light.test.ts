import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { clickNode, edgeCount, selected, truthOf, visible } from '../panel/reading.ts';
import { guardNetwork, notifications, reloadWindow, screenshot, webviewFrame } from './harness/index.ts';
import { byTestId } from './harness/vitest.ts';
import { analyze, samples } from './product.ts';
import { useWindow } from './window.ts';

describe('a prompt becomes its graph in the real VS Code', () => {
  const open = useWindow();
  const { top } = truthOf<{ top: string[][] }>('lens');
  let page: Page;
  let frame: FrameLocator;
  let outside: readonly string[];

  const byId = byTestId(() => frame);
  const focused = () => frame.locator('body').evaluate(() => document.activeElement?.className ?? '');

  beforeAll(async () => {
    ({ page } = await open({}, { file: join(samples, 'ioi.prompt'), reducedMotion: false }));
    outside = guardNetwork(page);
  });

  test('Analyze Prompt from the palette draws the routes with the proof', async () => {
    frame = await analyze(page);
    /** How many different colours the graph is drawn in. */
    const colours = () =>
      byId('graph-canvas').evaluate((element) => {
        const { width, height } = element as HTMLCanvasElement;
        const context = (element as HTMLCanvasElement).getContext('2d') as CanvasRenderingContext2D;
        return new Set(new Uint32Array(context.getImageData(0, 0, width, height).data.buffer)).size;
      });
    // drawn in the frame after the panel says that it is ready
    await expect.poll(colours).toBeGreaterThan(50);
    expect(await byId('proof').textContent()).toMatch(/adds up ✓ \d/);
    expect(await edgeCount(frame)).toBeGreaterThan(5);
    expect(await edgeCount(frame)).toBeLessThanOrEqual(60);
    const names = await byId('twin')
      .locator('button')
      .evaluateAll((buttons) => buttons.map((button) => button.getAttribute('title') ?? button.textContent ?? ''));
    expect(names.some((name) => name.includes('attention edge') && name.includes('Mary'))).toBe(true);
    await screenshot(page, 'routes-dark');
  });

  test('a node of the drawing opens where it is clicked', async () => {
    await clickNode(page, frame, 'I25_13');
    await byId('top-tokens').locator('li').first().waitFor({ timeout: 30_000 });
    await expect
      .poll(() => byId('top-tokens').locator('li').first().textContent())
      .toContain(visible(top[26]?.[13] ?? ''));
  });

  test('by keys alone: into the panel, to the graph and a node, into the menu of exports and out of it', async () => {
    await page.keyboard.press('Control+1');
    // keys reach the window through the panel that has the focus, and the next would overtake this one
    await page.locator('.monaco-editor.focused').first().waitFor();
    await page.keyboard.press('Control+2');
    // before that a Tab would go into the prompt
    await expect.poll(() => frame.locator('body').evaluate(() => document.hasFocus())).toBe(true);
    for (let tab = 0; tab < 40 && !(await focused()).includes('stage'); tab++) await page.keyboard.press('Tab');
    expect(await focused()).toContain('stage');
    const before = await selected(frame);
    for (const key of ['ArrowDown', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
    await expect.poll(() => selected(frame)).not.toBe(before);
    const holds = (id: string) => byId(id).evaluate((element) => element.contains(document.activeElement));
    await byId('export').focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => holds('export-svg')).toBe(true);
    await page.keyboard.press('Escape');
    await expect.poll(() => holds('export')).toBe(true);
  });

  test('a window reload restores the panel without a new analysis', async () => {
    const before = await edgeCount(frame);
    await reloadWindow(page);
    frame = webviewFrame(page);
    await frame.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 60_000 });
    expect(await edgeCount(frame)).toBe(before);
  });

  test('nothing asked for anything outside of the machine, and nothing complained', async () => {
    expect(outside).toEqual([]);
    expect(await notifications(page)).toEqual([]);
  });
});
