// What exports hold: tables, and the page that lives without VS Code.
import type { Browser } from 'playwright-core';
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

/** Opens the page of ioi.prompt without a network, and uses it. `seen`: what it has selected, `first`: its first prediction. */
export async function expectAlive(browser: Browser, address: string, seen: string, first: string): Promise<void> {
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
  expect(await selection()).toBe(seen);
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
  await there('twin').locator('button[data-name]').first().click();
  await opened.getByText('Not part of this recording.').first().waitFor();
  await there('heads').locator('button[data-head]').first().waitFor();

  expect(asked.filter((url) => url !== address && !url.startsWith('data:'))).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
}
