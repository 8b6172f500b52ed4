import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { guardNetwork, notifications, reloadWindow, screenshot, webviewFrame } from './harness/index.ts';
import { analyze, expected, samples, visible, type Expected } from './product.ts';
import { useWindow } from './window.ts';

const count = async (frame: FrameLocator) =>
  Number(/\d+/.exec((await frame.locator('[data-testid=edge-count]').textContent()) ?? '')?.[0]);

/** How many different colours the graph is drawn in. */
const colours = (frame: FrameLocator) =>
  frame.locator('[data-testid=graph-canvas]').evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
      0,
      0,
      canvas.width,
      canvas.height,
    );
    return new Set(new Uint32Array(data.buffer)).size;
  });

const selection = (frame: FrameLocator) => frame.locator('[data-testid=inspector]').getAttribute('data-selection');

async function expectTopToken(frame: FrameLocator, text: string): Promise<void> {
  const rows = frame.locator('[data-testid=top-tokens] li');
  await rows.first().waitFor({ timeout: 30_000 });
  await expect.poll(() => rows.first().textContent()).toContain(visible(text));
}

describe('a prompt becomes its graph in the real VS Code', () => {
  const open = useWindow();
  let page: Page;
  let frame: FrameLocator;
  let outside: readonly string[];
  let truth: Expected;

  beforeAll(async () => {
    truth = expected('ioi.prompt');
    ({ page } = await open({}, { file: join(samples, 'ioi.prompt'), reducedMotion: false }));
    outside = guardNetwork(page);
  });

  test('Analyze Prompt from the palette draws the routes with the proof', async () => {
    frame = await analyze(page);
    // drawn in the frame after the panel says that it is ready
    await expect.poll(() => colours(frame)).toBeGreaterThan(50);
    expect(await frame.locator('[data-testid=proof]').textContent()).toMatch(/parts = whole \d/);
    expect(await count(frame)).toBeGreaterThan(5);
    expect(await count(frame)).toBeLessThanOrEqual(60);
    const names = await frame
      .locator('[data-testid=twin] button')
      .evaluateAll((buttons) => buttons.map((button) => button.getAttribute('title') ?? button.textContent ?? ''));
    expect(names.some((name) => name.includes('attention edge') && name.includes('Mary'))).toBe(true);
    await screenshot(page, 'routes-dark');
  });

  test('the tokens and the prediction are those of plain transformers', async () => {
    for (const [position, token] of truth.tokens.entries()) {
      await expect(frame.locator(`[data-testid=token-${position}]`).first().textContent()).resolves.toContain(
        visible(token),
      );
    }
    const last = truth.predictions.at(-1)?.[0];
    const probability = Math.round(100 * (last?.probability ?? 0));
    expect(last?.text).toBe(' Mary');
    await frame.getByText(`${probability}%`).first().waitFor();
  });

  test('dragging the threshold changes the edges at once', async () => {
    const before = await count(frame);
    const slider = frame.locator('[data-testid=threshold]');
    await slider.focus();
    for (let i = 0; i < 5; i++) await slider.press('ArrowLeft');
    await expect.poll(() => count(frame)).toBeGreaterThan(before);
    for (let i = 0; i < 40; i++) await slider.press('ArrowRight');
    await expect.poll(() => count(frame)).toBeLessThan(before);
  });

  test('clicking a token makes it the target', async () => {
    const before = await count(frame);
    await frame.locator('[data-testid=token-5]').first().click();
    await expect.poll(() => count(frame)).not.toBe(before);
    const target = truth.predictions[5]?.[0]?.text ?? '';
    await expect.poll(() => frame.locator('[data-testid=inspector]').textContent()).toContain(visible(target));
  });

  test('a node opens to the logit lens that plain transformers computes', async () => {
    const position = truth.tokens.length - 1;
    await frame.locator(`[data-testid=token-${position}]`).first().click();
    await frame.locator('[data-testid=auto]').click();
    await frame.getByRole('button', { name: /^Show all/ }).click();
    const layer = truth.lens.length - 2;
    await frame.locator(`[data-testid=twin] [data-name="I${layer}_${position}"]`).click();
    await expectTopToken(frame, truth.lens[layer]?.[position]?.[0] ?? '');
    await frame.locator('[data-testid=graph-canvas]').scrollIntoViewIfNeeded();
    await screenshot(page, 'node-dark');
  });

  test('a node of the drawing opens where it is clicked', async () => {
    const position = truth.tokens.length - 1;
    const chip = await frame.locator(`[data-testid=token-${position}]`).first().boundingBox();
    const canvas = await frame.locator('[data-testid=graph-canvas]').boundingBox();
    if (!chip || !canvas) throw new Error('the graph is not on screen');
    const x = chip.x + chip.width / 2;
    const clicked: string[] = [];
    // down the target's column in small steps, from where the nodes of the upper layers are
    for (let y = chip.y - 40; y > canvas.y + 20 && clicked.length < 3; y -= 7) {
      await page.mouse.click(x, y);
      const name = (await selection(frame)) ?? '';
      if (name.startsWith('I') && !clicked.includes(name)) clicked.push(name);
    }
    expect(clicked.length).toBe(3);
    const [, layer, at] = /^I(\d+)_(\d+)$/.exec(clicked[2] ?? '') ?? [];
    expect(Number(at)).toBe(position);
    await expectTopToken(frame, truth.lens[Number(layer)]?.[position]?.[0] ?? '');
  });

  test('a window reload restores the panel without a new analysis', async () => {
    const before = await count(frame);
    await reloadWindow(page);
    frame = webviewFrame(page);
    await frame.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 60_000 });
    expect(await count(frame)).toBe(before);
  });

  test('nothing asked for anything outside of the machine, and nothing complained', async () => {
    expect(outside).toEqual([]);
    expect(await notifications(page)).toEqual([]);
  });
});
