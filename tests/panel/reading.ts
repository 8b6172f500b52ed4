// What tests of the panel share: what is expected, how it is read off the page, and when a number is right.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FrameLocator, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { UnitEffect } from '../../extension/shared/protocol.ts';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import { screenshot } from '../e2e/harness/screenshots.ts';

/** Where the panel is: a tab of its own, or a frame of a window. */
export type Place = Page | FrameLocator;

/** What `tests/python/support/make_panel_vectors.py` has written: plain transformers, nothing of ours. */
export function truthOf<Truth>(name: string): Truth {
  return JSON.parse(readFileSync(join(repositoryRoot, 'tests', 'vectors', 'panel', `${name}.json`), 'utf8')) as Truth;
}

/** Spaces as the panel shows them. */
export const visible = (text: string) => text.replaceAll(' ', '·');

export interface Scored {
  /** Null for a piece of a character. */
  text: string | null;
  logit: number;
}

export interface Ranked extends Scored {
  probability: number;
  rank: number;
  rankBefore: number;
}

export interface Update {
  promoted: Scored[];
  suppressed: Scored[];
}

/** Rounding to the last digit shown, with a hundredth of it for the difference of float32 and float64. */
const HALF = 0.51;
/** Logits that are nearer to each other may change places. */
const TIE = 2e-3;

/** A contribution, flow or attention probability: two significant digits. */
export function expectShare(shown: string, value: number): void {
  const said = `${shown} for ${value}`;
  if (shown === '0') return expect(value, said).toBeLessThan(1e-6);
  if (shown === '<0.0001') return expect(value, said).toBeLessThan(1.01e-4);
  expect(shown, said).toMatch(/^\d(\.\d+)?$/);
  const lastDigit = value >= 0.995 ? 0.01 : 10 ** (Math.floor(Math.log10(value)) - 1);
  expect(Math.abs(Number(shown) - value), said).toBeLessThanOrEqual(HALF * lastDigit);
}

/** A probability in whole per cent, under 1% with one decimal. */
export function expectPercent(shown: string, value: number): void {
  const said = `${shown} for ${value}`;
  if (shown === '<0.1%') return expect(value, said).toBeLessThan(0.00101);
  expect(shown, said).toMatch(value < 0.0094 ? /^0\.\d%$/ : /^\d+(\.\d)?%$/);
  const lastDigit = shown.includes('.') ? 0.001 : 0.01;
  expect(Math.abs(Number(shown.slice(0, -1)) / 100 - value), said).toBeLessThanOrEqual(HALF * lastDigit);
}

/** A number with so many decimals, perhaps with a true minus sign. */
export function expectDecimals(shown: string, value: number, decimals: number): void {
  const said = `${shown} for ${value}`;
  expect(shown, said).toMatch(new RegExp(`^[+−-]?\\d+\\.\\d{${decimals}}$`));
  expect(Math.abs(numberOf(shown) - value), said).toBeLessThanOrEqual(HALF * 10 ** -decimals + 2e-6 * Math.abs(value));
}

/** An activation: two decimals, three where it is small. */
export const expectActivation = (shown: string, value: number): void =>
  expectDecimals(shown, value, Math.abs(value) >= 0.1 ? 2 : 3);

/** What the backend gives for a unit. */
type Effect = Pick<UnitEffect, 'unit' | 'kind' | 'predicted' | 'measured' | 'share'>;

export const unitsOf = (list: Locator): Promise<string[]> =>
  list.locator('[data-unit]').evaluateAll((all) => all.map((row) => row.getAttribute('data-unit') ?? ''));

/** The rows of a list of effects: both figures of each unit, in that order; what was not measured has one. Beside a token's is its share. */
export async function expectEffects(list: Locator, found: readonly Effect[]): Promise<void> {
  const rows = list.locator('[data-unit]');
  expect(await unitsOf(list)).toEqual(found.map(({ unit }) => unit));
  for (const [at, { kind, predicted, measured, share }] of found.entries()) {
    const [guess = '', truth = ''] = await rows.nth(at).locator('.number').allTextContents();
    if (measured === null) expect(truth).toBe('');
    else expectDecimals(truth, measured, truth.split('.')[1]?.length ?? 2);
    // who has not asked for shares gets none
    const wanted = kind === 'token' ? (share ?? numberOf(guess)) : predicted;
    expectDecimals(guess, wanted ?? NaN, guess.split('.')[1]?.length ?? 2);
  }
}

interface TokenRow {
  token: string;
  number: string;
  change: string;
  title: string;
}

/** The whole list with this test id, opened where only its beginning is shown. */
export async function opened(place: Locator, id: string): Promise<Locator> {
  const list = place.locator(`[data-testid="${id}"]`);
  await list.waitFor();
  const more = place.locator(`section:has([data-testid="${id}"]) > button.more[aria-expanded=false]`);
  if (await more.isVisible()) await more.click();
  return list;
}

const logitIn = (title: string | null): string => /logit ([+−-]?\d+\.\d+)/.exec(title ?? '')?.[1] ?? '';
const numberOf = (shown: string): number => Number(shown.replace('−', '-'));

/** The rows of a list once its first is the one expected: until it is answered, the list before stays. */
async function tokenRows(place: Locator, id: string, truth: readonly Scored[]): Promise<TokenRow[]> {
  const list = await opened(place, id);
  const first = list.locator('.text-bar').first();
  await expect
    .poll(async () => numberOf(logitIn(await first.getAttribute('title'))))
    .toBeCloseTo(truth[0]?.logit ?? NaN, 1);
  await expect.poll(() => list.locator('li').count()).toBe(truth.length);
  return list.locator('li').evaluateAll((items) =>
    items.map((item) => {
      const text = (part: string) => item.querySelector(part)?.textContent ?? '';
      const title = item.querySelector('.text-bar')?.getAttribute('title') ?? '';
      return { token: text('.token'), number: text('.number'), change: text('.change'), title };
    }),
  );
}

/** One of the tokens that may stand here: the one expected, or one that is as good as tied with it. */
function expectToken(row: TokenRow, at: number, truth: readonly Scored[]): void {
  const wanted = truth[at] as Scored;
  const tied = truth.filter(({ logit }) => Math.abs(logit - wanted.logit) < TIE);
  const title = /^'([^]*)' /.exec(row.title)?.[1];
  const found = tied.find(({ text }) => text === title);
  if (tied.every(({ text }) => text !== null)) expect(found, `${row.title}, not '${wanted.text}'`).toBeDefined();
  if (found?.text && !/[\s\u200b]/.test(found.text.replaceAll(' ', ''))) expect(row.token).toBe(visible(found.text));
}

/** What a block, a head or a neuron promotes and suppresses; `prefix` of the test ids as in the panel. */
export async function expectUpdate(place: Locator, prefix: string, truth: Update): Promise<void> {
  for (const side of ['promoted', 'suppressed'] as const) {
    const rows = await tokenRows(place, `${prefix}${side}`, truth[side]);
    for (const [at, row] of rows.entries()) {
      const { logit } = truth[side][at] as Scored;
      expectDecimals(logitIn(row.title), logit, 2);
      expectDecimals(row.number, logit, 1);
      expectToken(row, at, truth[side]);
    }
  }
}

/** The top tokens of a state: logit, probability, and ranks gained against the node before. */
export async function expectTop(place: Locator, truth: readonly Ranked[]): Promise<void> {
  const rows = await tokenRows(place, 'top-tokens', truth);
  for (const [at, row] of rows.entries()) {
    const { logit, probability, rank, rankBefore } = truth[at] as Ranked;
    expectDecimals(logitIn(row.title), logit, 2);
    expectPercent(row.number, probability);
    expectToken(row, at, truth);
    const gained = rankBefore - rank;
    const [, arrow = '', ranks = '0'] = /^(?:([↑↓])(\d+))?$/.exec(row.change) ?? ['', '', row.change];
    // far down in the vocabulary logits are so near to each other that float32 moves a token by a rank
    expect(Math.abs((arrow === '↓' ? -1 : 1) * Number(ranks) - gained)).toBeLessThanOrEqual(rankBefore > 300 ? 1 : 0);
  }
}

/** The number of edges that the panel says it draws. */
export async function edgeCount(place: Place): Promise<number> {
  return Number(/\d+/.exec((await place.locator('[data-testid=edge-count]').textContent()) ?? '')?.[0]);
}

/** Clicks in the drawing until `name` is selected: up the column of a token from where its chip is. */
export async function clickNode(page: Page, frame: Place, name: string): Promise<{ x: number; y: number }> {
  const position = /_(\d+)$/.exec(name)?.[1] ?? '';
  const chip = await frame.locator(`[data-testid=token-${position}]`).first().boundingBox();
  const canvas = await frame.locator('[data-testid=graph-canvas]').boundingBox();
  if (!chip || !canvas) throw new Error('the graph is not on screen');
  const x = chip.x + chip.width / 2;
  // in a low graph nodes are few pixels apart
  const step = chip.y - canvas.y < 400 ? 1.5 : 4;
  for (let y = canvas.y + 40; y < chip.y; y += step) {
    await page.mouse.click(x, y);
    if ((await selected(frame)) === name) return { x, y };
  }
  throw new Error(`${name} is not in the drawing`);
}

/** The end of the line over the graph once everything is measured: how the drawing compares, or that it cannot. */
export const COMPARED = /the drawing alone keeps|to compare the drawing with/i;

export const inspector = (frame: Place): Locator => frame.locator('[data-testid=inspector]');

export const selected = (frame: Place): Promise<string | null> => inspector(frame).getAttribute('data-selection');

/** `make screenshots` sets it, and the pictures of README and docs are retaken. */
export const pictures = process.env.RETAKE_SCREENSHOTS ? join(repositoryRoot, 'docs', 'images') : undefined;

/** For the docs, a picture of the panel, the pointer out of the way: from the inspector's top, or from the section of `id`. */
export async function picture(page: Page, frame: Place, name: string, id?: string): Promise<void> {
  if (!pictures) return;
  await frame.locator('[data-testid=trust-said]', { hasText: COMPARED }).waitFor({ timeout: 60_000 });
  await page.mouse.move(5, 500);
  await frame.locator('.side').evaluate((side, from) => {
    side.scrollTo(0, 0);
    const top = (element: Element | null) => element?.getBoundingClientRect().top ?? 0;
    if (from) side.scrollTo(0, top(side.querySelector(`section:has([data-testid=${from}])`)) - top(side) - 12);
  }, id);
  await page.waitForTimeout(300);
  const panel = await frame.locator('body').boundingBox();
  await screenshot(page, name, pictures, panel ?? undefined);
}
