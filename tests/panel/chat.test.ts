import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import type { PanelHost } from './host.ts';
import { expectPercent, truthOf, visible } from './reading.ts';
import { THEMES } from './themes.ts';
import { usePanel } from './window.ts';

interface Truth {
  messages: { role: string; content: string }[];
  tokens: string[];
  predictions: { text: string; probability: number }[];
}

describe('a chat', () => {
  const open = usePanel();
  const truth = truthOf<Truth>('chat');
  const last = truth.tokens.length - 1;
  const prompt = truth.messages.map(({ role, content }) => `<|${role}|>\n${content}`).join('\n');
  let host: PanelHost;
  let page: Page;

  const byId = byTestId(() => page);
  const chip = (position: number) => byId(`token-${position}`).first();
  const isTemplate = async (position: number) => / template\b/.test((await chip(position).getAttribute('class')) ?? '');

  beforeAll(async () => void ({ host, page } = await open({ prompt, chat: true })));

  test('its template folds to a column a message, and unfolds', async () => {
    const scaffold = page.locator('.scaffold');
    await expect.poll(() => scaffold.count()).toBeGreaterThan(1);
    expect(await scaffold.allTextContents()).toContain('assistant');
    await page.locator('.stage').press('u');
    await expect.poll(() => scaffold.count()).toBe(0);
    // more of them at once
    await page.locator('.stage').press('f');
  });

  test('its tokens are those of the chat template, and the answer goes on', async () => {
    const first = byId('predictions').locator('li').first();
    expect(truth.predictions[0]?.text).toBe(' Paris');
    expect(await first.locator('.token').textContent()).toBe('·Paris');
    expectPercent((await first.locator('.number').textContent()) ?? '', truth.predictions[0]?.probability ?? 0);
    expect(await byId(`token-${last + 1}`).count()).toBe(0);
    for (let position = last; position > last - 14; position--) {
      const wanted = visible(truth.tokens[position] ?? '').replace('\n', '⏎');
      await expect(chip(position).textContent()).resolves.toContain(wanted);
    }
  });

  test('what the template put in says so', async () => {
    const words = truth.messages[1]?.content.split(' ') ?? [];
    for (let back = 0; back < words.length; back++) expect(await isTemplate(last - back)).toBe(false);
    // the role's line before the answer
    expect(await isTemplate(last - words.length)).toBe(true);
    expect(await chip(last - words.length).getAttribute('title')).toContain('put in by the chat template');
  });

  test.each(THEMES)('%s: and looks different', async (theme) => {
    await host.setTheme(theme);
    const look = (position: number) =>
      chip(position).evaluate((element) => {
        const style = getComputedStyle(element);
        return `${style.borderBottomWidth} ${style.borderBottomStyle} ${style.color} ${style.backgroundColor}`;
      });
    await expect.poll(() => look(last - 5)).toMatch(/^[12]px dashed/);
    expect(await look(last - 5)).not.toBe(await look(last - 1));
  });
});
