import { join } from 'node:path';
import type { FrameLocator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { allThemes, runCommand, screenshot, setTheme } from './harness/index.ts';
import { expectPercent, truthOf } from './inspector-steps.ts';
import { analyze, samples, visible } from './product.ts';
import { useWindow } from './window.ts';

interface Truth {
  tokens: string[];
  predictions: { text: string; probability: number }[];
}

/** What samples/capital.chat says. */
const MESSAGES = [
  { role: 'user', content: 'What is the capital of France?' },
  { role: 'assistant', content: 'The capital of France is' },
];

describe('a chat in the real VS Code', () => {
  const open = useWindow();
  let page: Page;
  let frame: FrameLocator;
  let truth: Truth;

  beforeAll(async () => {
    const viewport = { width: 1500, height: 900 };
    [truth, { page }] = await Promise.all([
      truthOf<Truth>('expected_chat.py', JSON.stringify(MESSAGES)),
      open({}, { file: join(samples, 'capital.chat'), viewport }),
    ]);
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    frame = await analyze(page);
  });

  const chip = (position: number) => frame.locator(`[data-testid=token-${position}]`).first();
  const isTemplate = async (position: number) => / template\b/.test((await chip(position).getAttribute('class')) ?? '');

  test('its tokens are those of the chat template, and the answer goes on', async () => {
    const last = truth.tokens.length - 1;
    const first = frame.locator('[data-testid=predictions] li').first();
    expect(truth.predictions[0]?.text).toBe(' Paris');
    expect(await first.locator('.token').textContent()).toBe('·Paris');
    expectPercent((await first.locator('.number').textContent()) ?? '', truth.predictions[0]?.probability ?? 0);
    expect(await frame.locator(`[data-testid=token-${last + 1}]`).count()).toBe(0);
    for (let position = last; position > last - 14; position--) {
      const wanted = visible(truth.tokens[position] ?? '').replace('\n', '⏎');
      await expect(chip(position).textContent()).resolves.toContain(wanted);
    }
  });

  test('what the template put in looks different', async () => {
    const last = truth.tokens.length - 1;
    const words = MESSAGES[1]?.content.split(' ') ?? [];
    for (let back = 0; back < words.length; back++) expect(await isTemplate(last - back)).toBe(false);
    // the role's line before the answer
    expect(await isTemplate(last - words.length)).toBe(true);
    expect(await chip(last - words.length).getAttribute('title')).toContain('put in by the chat template');
  });

  test('the cursor in the chat finds its token, and not in a role', async () => {
    const lines = page.locator('.editor-instance .view-line');
    const current = frame.locator('.chip.current');
    // behind the last word stands its token
    await lines.filter({ hasText: /^The.capital/ }).click();
    await page.keyboard.press('End');
    await expect.poll(() => current.count()).toBe(1);
    const marked = (await current.getAttribute('class')) ?? '';
    expect(marked).not.toContain('template');
    await lines.filter({ hasText: 'assistant' }).click();
    await expect.poll(() => current.count()).toBe(0);
  });

  test('a token that is selected in the panel is marked in the text', async () => {
    const edges = frame.locator('[data-testid=twin] button[data-name^="attention:"]');
    await edges.first().click();
    await page.locator('.monaco-editor .view-overlays .cdr[class*=ced-]').first().waitFor();
  });

  test.each(allThemes)('%s: tokens of the template are told apart', async (theme) => {
    await setTheme(page, theme);
    await page.mouse.move(5, 500);
    await page.waitForTimeout(300);
    const last = truth.tokens.length - 1;
    const look = (position: number) =>
      chip(position).evaluate((element) => {
        const style = getComputedStyle(element);
        return `${style.borderBottomWidth} ${style.borderBottomStyle} ${style.color} ${style.backgroundColor}`;
      });
    expect(await look(last - 5)).not.toBe(await look(last - 1));
    expect(await look(last - 5)).toMatch(/^[12]px dashed/);
    await screenshot(page, `chat-${theme}`);
  });
});
