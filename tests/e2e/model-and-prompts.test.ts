import { mkdirSync, mkdtempSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  closeTab,
  notifications,
  pickInQuickInput,
  quickInput,
  runCommand,
  screenshot,
  webviewFrame,
} from './harness/index.ts';
import { expectPercent, inspector, picture, pictures, truthOf, visible } from '../panel/reading.ts';
import { analyze, embeddedModel, firstLayers } from './product.ts';
import { useWindow } from './window.ts';

interface Said {
  text: string;
  tokens: string[];
  next: { text: string; probability: number; logit: number };
}

interface Truth {
  facts: Record<'float32' | 'bfloat16', Record<string, number | string>>;
  said: Record<'float32' | 'bfloat16', Said>[];
  /** What its first layers alone say to the first prompt. */
  firstLayersSaid: Said;
}

const truth = truthOf<Truth>('models');
const texts = truth.said.map(({ float32 }) => float32.text);
const [PROMPTS, ADDED] = [texts.slice(0, -1), texts.at(-1) ?? ''];
const NAME = 'smollm2-135m-instruct';
const CACHED = 'example/downloaded-before';

/** A folder that holds the embedded model under another name. */
function modelFolder(path: string, model: string): string {
  mkdirSync(path, { recursive: true });
  for (const file of readdirSync(model)) symlinkSync(join(model, file), join(path, file));
  return path;
}

/** A cache of the hub in which a model is to lie as one that was downloaded: where its files go. */
function hubCache(path: string): string {
  const repository = join(path, `models--${CACHED.replace('/', '--')}`);
  mkdirSync(join(repository, 'refs'), { recursive: true });
  writeFileSync(join(repository, 'refs', 'main'), '0123abcd');
  return join(repository, 'snapshots', '0123abcd');
}

describe('the model and the list of prompts', () => {
  const place = mkdtempSync(join(tmpdir(), 'prompts-'));
  const file = join(place, 'work', 'prompts.txt');
  const copy = join(place, 'a-model-folder');
  const open = useWindow(place);
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    modelFolder(copy, embeddedModel());
    mkdirSync(join(place, 'work'));
    writeFileSync(file, `${PROMPTS.join('\n')}\n`);
    const opened = await open(
      { folder: join(place, 'work'), measures: Boolean(pictures) },
      { file, viewport: { width: 1280, height: 800 } },
    );
    ({ page } = opened);
    modelFolder(hubCache(opened.server.hub), firstLayers());
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
  });

  /** The tokens under the columns and the prediction over the last are those of plain transformers. */
  const expectSaid = async ({ tokens, next }: Said, by = frame) => {
    const chip = (position: number) => by.locator(`[data-testid=token-${position}]`).first();
    const shown = () => Promise.all(tokens.map((_, position) => chip(position).textContent({ timeout: 1000 })));
    const wanted = tokens.map((token) => expect.stringContaining(visible(token)));
    await expect.poll(() => shown().catch(() => []), { timeout: 60_000 }).toEqual(wanted);
    expect(await by.locator(`[data-testid=token-${tokens.length}]`).count()).toBe(0);
    const first = by.locator('[data-testid=predictions] li').first();
    expect(await first.locator('.token').textContent()).toBe(visible(next.text));
    expectPercent((await first.locator('.number').textContent()) ?? '', next.probability);
  };

  const fact = (key: string) => inspector(frame).locator(`dd[data-fact=${key}]`);

  const expectFacts = async (precision: 'float32' | 'bfloat16', short: string) => {
    const facts = truth.facts[precision];
    await inspector(frame).locator('[data-testid=model-facts]').waitFor();
    for (const key of ['architecture', 'device']) expect(await fact(key).textContent()).toBe(facts[key]);
    for (const key of ['nLayers', 'nHeads', 'nKvHeads', 'dModel', 'dFfn', 'nVocab', 'nContext']) {
      const shown = ((await fact(key).textContent()) ?? '').replace(' tokens', '').replaceAll(',', '');
      expect(Number(shown), key).toBe(facts[key]);
    }
    expect(await fact('dtype').textContent()).toBe(`${precision} (${short})`);
    for (const [key, unit] of [
      ['nParams', 'M'],
      ['memoryBytes', 'MB'],
    ] as const) {
      const [number, shownUnit] = ((await fact(key).textContent()) ?? '').split(' ');
      expect(shownUnit).toBe(unit);
      const decimals = unit === 'M' ? 1 : 0;
      expect(Number(number)).toBe(Number((Number(facts[key]) / 1e6).toFixed(decimals)));
      const exact = (await fact(key).locator('..').getAttribute('title')) ?? '';
      expect(Number(exact.replace(/\D/g, ''))).toBe(facts[key]);
    }
  };

  /** Presses a button of the model's inspector, opened where it is not. */
  const press = async (action: string) => {
    const button = inspector(frame).locator(`[data-action=${action}]`);
    if (!(await button.isVisible())) await frame.locator('[data-testid=model]').click();
    await button.click();
    await quickInput(page).waitFor();
  };

  /** Runs a command that shows a list. From the editor: a panel that had the focus takes it back late, and shuts the list. */
  const openList = async (title: string) => {
    await page.locator('.view-line').first().click();
    await runCommand(page, `LM Transparency: ${title}…`);
  };

  /** What the list that is open offers: headings, labels and descriptions, line by line. */
  const offered = () =>
    quickInput(page)
      .locator('.quick-input-list .monaco-list-row')
      .evaluateAll((rows) =>
        rows.map((row) =>
          ['.quick-input-list-separator', '.label-name', '.label-description']
            .map((part) => row.querySelector<HTMLElement>(part))
            // rows are used again, with what they do not show still in them
            .map((part) => (part?.offsetParent ? (part.textContent ?? '').trim() : ''))
            .join('|'),
        ),
      );

  const labels = async () => (await offered()).map((line) => line.split('|')[1]);
  const typeInList = (text: string) => quickInput(page).locator('input.input').fill(text);
  // on the input and not the page: a panel that takes the focus would take the key as well
  const acceptInList = () => quickInput(page).locator('input.input').press('Enter');

  test("a click on the toolbar's model opens its facts", async () => {
    await expectSaid(truth.said[0]?.float32 as Said);
    await frame.locator('[data-testid=model]').click();
    expect(await inspector(frame).locator('h2').textContent()).toBe(NAME);
    await expectFacts('float32', 'fp32');
    await picture(page, frame, 'model');
  });

  test('the list of models: recent ones, those on this machine, folders and files, and what is typed', async () => {
    await press('selectModel');
    await expect.poll(offered).toContainEqual(expect.stringMatching(`${CACHED}\\|downloaded · \\d+ MB`));
    const before = await offered();
    expect(before[0]).toMatch(new RegExp(`^on this machine\\|${NAME}\\|loaded · comes with the backend · \\d+ MB$`));
    expect(before.some((line) => line.startsWith('another|Browse for a model folder…|'))).toBe(true);
    expect(before.some((line) => line.includes('|Enter a hub id…|organization/name'))).toBe(true);
    expect(before.some((line) => line.startsWith('recent'))).toBe(false);
    await typeInList('downloaded');
    // filtered first, and then with what is typed
    await expect
      .poll(offered)
      .toEqual([expect.stringContaining(CACHED), '||downloaded · hub id, downloaded where it is missing']);
    await typeInList(copy);
    await expect.poll(offered).toEqual([`||${copy} · folder`]);
    await acceptInList();
    const name = () => frame.locator('[data-testid=model]').textContent({ timeout: 1000 });
    await expect.poll(() => name().catch(() => ''), { timeout: 60_000 }).toContain('a-model-folder');
    await expectSaid(truth.said[0]?.float32 as Said);
    await openList('Select Model');
    await expect.poll(async () => (await offered())[0]).toMatch(/^recent\|a-model-folder\|loaded · folder · \d+ MB$/);
    await page.keyboard.press('Escape');
    // the graph before stays until there is the next one
    await frame.locator('[data-testid=panel]').evaluate((panel) => {
      const note = () => (panel.dataset['seen'] = `${panel.dataset['seen'] ?? ''} ${panel.dataset['state']}`);
      new MutationObserver(note).observe(panel, { attributeFilter: ['data-state'] });
    });
    await press('selectModel');
    await pickInQuickInput(page, CACHED, CACHED);
    await expect.poll(() => name().catch(() => ''), { timeout: 60_000 }).toContain(CACHED);
    expect(await frame.locator('[data-testid=panel]').getAttribute('data-seen')).toBeNull();
    await press('selectModel');
    await pickInQuickInput(page, NAME, NAME);
    await expect.poll(() => name().catch(() => ''), { timeout: 60_000 }).toContain(NAME);
  });

  test('a model that is chosen while another is loaded takes its place, and the open prompt is offered', async () => {
    await openList('Select Model');
    await pickInQuickInput(page, copy, copy);
    await openList('Select Model');
    await pickInQuickInput(page, CACHED, CACHED);
    const offer = page.locator('.notifications-toasts .notification-list-item', {
      hasText: 'is downloaded-before now',
    });
    await offer.waitFor({ timeout: 60_000 });
    await screenshot(page, 'model-offer');
    const model = frame.locator('[data-testid=model]');
    const shown = async () => {
      // toasts move while another one closes, and a click may miss
      if (await offer.isVisible()) await offer.getByRole('button', { name: 'Analyze prompts.txt' }).click();
      return model.textContent();
    };
    await expect.poll(shown, { timeout: 60_000, interval: 2000 }).toContain(CACHED);
    await expect.poll(() => page.locator('.statusbar-item', { hasText: 'downloaded… · cpu' }).count()).toBe(1);
    await press('selectModel');
    await pickInQuickInput(page, NAME, NAME);
    await expect.poll(() => model.textContent(), { timeout: 60_000 }).toContain(NAME);
    await runCommand(page, 'Notifications: Clear All Notifications');
  });

  test('device and precision list their choices, and bfloat16 analyses with it', async () => {
    await openList('Select Device');
    await expect.poll(offered).toEqual([expect.stringMatching(/^\|auto\|/), expect.stringMatching(/^\|cpu\|./)]);
    await page.keyboard.press('Escape');
    await openList('Select Precision');
    await expect.poll(labels).toEqual(['auto', 'float32', 'bfloat16', 'float16']);
    await page.keyboard.press('Escape');

    await press('selectDtype');
    await pickInQuickInput(page, 'bfloat16', 'bfloat16');
    const model = frame.locator('[data-testid=model]');
    await expect
      .poll(() => model.textContent({ timeout: 1000 }).catch(() => ''), { timeout: 60_000 })
      .toContain('bf16');
    const { bfloat16, float32 } = truth.said[0] as Truth['said'][number];
    const title = await frame.locator('[data-testid=predictions] .text-bar').first().getAttribute('title');
    const logit = Number(/logit (\d+\.\d\d)/.exec(title ?? '')?.[1]);
    expect(title).toContain(`'${bfloat16.next.text}'`);
    // of 8 bits, as bfloat16 has them, and as far from the other precision as rounding to them leads
    expect(Math.round(logit * 100) % 12.5 < 1 || Math.round(logit * 100) % 12.5 > 11.5).toBe(true);
    expect(Math.abs(logit - float32.next.logit)).toBeLessThan(0.5);
    await model.click();
    await expectFacts('bfloat16', 'bf16');

    await press('selectDtype');
    await pickInQuickInput(page, 'auto', 'auto');
    await expect
      .poll(() => model.textContent({ timeout: 1000 }).catch(() => ''), { timeout: 60_000 })
      .toContain('fp32');
    await expectSaid(truth.said[0]?.float32 as Said);
  });

  test('Compare Prompt shows beside it what another model makes of the same prompt', async () => {
    await openList('Compare Prompt');
    await expect.poll(labels).toContain(CACHED);
    // with nothing to choose, Enter does not take away what was typed
    await typeInList('none of these');
    await expect.poll(labels).toEqual([]);
    await acceptInList();
    await pickInQuickInput(page, CACHED, CACHED);
    const other = webviewFrame(page, 1);
    await other.locator('[data-testid=panel][data-state=ready]').waitFor({ timeout: 60_000 });
    await expect.poll(() => other.locator('[data-testid=model]').textContent()).toContain(CACHED);
    expect(truth.firstLayersSaid.next.text).not.toBe(truth.said[0]?.float32.next.text);
    await expectSaid(truth.firstLayersSaid, other);
    await expectSaid(truth.said[0]?.float32 as Said);
    expect(await frame.locator('[data-testid=model]').textContent()).toContain(NAME);
    await screenshot(page, 'compare-models');
    await closeTab(page, 'Compared');
  });

  test('the prompt at the cursor is the one analysed', async () => {
    await page.locator('.view-line', { hasText: '5 + 4' }).click();
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    await expectSaid(truth.said[1]?.float32 as Said);
  });

  test('Choose Prompt analyses another', async () => {
    await openList('Choose Prompt');
    await expect.poll(labels).toEqual(PROMPTS);
    // a prompt that is there comes before what is typed as a new one
    await typeInList('war lasted');
    await expect.poll(labels).toEqual([PROMPTS[2], '']);
    expect((await offered())[1]).toBe('||Add “war lasted” as a new prompt');
    await acceptInList();
    await expectSaid(truth.said[2]?.float32 as Said);
    await page.locator('.statusbar', { hasText: 'Ln 3, Col 1' }).waitFor();
  });

  test('what is typed there becomes a prompt of the file and is analysed', async () => {
    await openList('Choose Prompt');
    await typeInList(ADDED);
    await expect.poll(offered).toEqual([`||Add “${ADDED}” as a new prompt`]);
    await acceptInList();
    await expectSaid(truth.said[3]?.float32 as Said);
    await runCommand(page, 'File: Save');
    await expect.poll(() => readFileSync(file, 'utf8')).toBe(`${[...PROMPTS, ADDED].join('\n')}\n`);
    expect(await notifications(page)).toEqual([]);
  });
});
