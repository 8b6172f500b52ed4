import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { byTestId } from '../e2e/harness/vitest.ts';
import {
  clickNode,
  expectActivation,
  expectShare,
  expectTop,
  expectUpdate,
  inspector,
  picture,
  selected,
  truthOf,
  visible,
  type Ranked,
  type Update,
} from './reading.ts';
import { IOI, usePanel } from './window.ts';

type Matrix = number[][];
type NodeTruth = Record<'normed' | 'raw', Update & { top: Ranked[] }>;

interface HeadTruth {
  head: number;
  probability: Matrix;
  contribution: Matrix;
  rank: number;
  keys: { position: number; contribution: number; probability: number }[];
  written: Update;
  part: Update;
}

interface EdgeTruth {
  weight: number;
  heads: { head: number; contribution: number; probability: number }[];
  strongest: HeadTruth;
  all: { probability: Matrix; contribution: Matrix };
}

interface BlockTruth extends Update {
  contribution: number;
  sums: [neurons: number, residual: number, bias: number];
  neurons: (Update & { neuron: number; contribution: number; activations: number[] })[];
}

// the layer that moves the name to the last token of ioi.prompt, and a node and a block above it
const EDGE = 'attention:I22_1>A23_13';
const [QUERY, KEY] = [13, 1];
const NODES = ['I25_13', 'A23_13'];
const BLOCK = 'M25_13';

describe('the inspectors show what plain torch computes', () => {
  const open = usePanel();
  const truth = truthOf<Record<string, unknown>>('inspectors');
  let page: Page;
  let panel: Locator;

  const byId = byTestId(() => panel);
  const token = (position: number) => visible((truth['tokens'] as string[])[position] ?? '');
  const text = async (id: string) => (await byId(id).textContent()) ?? '';

  beforeAll(async () => {
    ({ page } = await open(IOI, { viewport: { width: 1180, height: 698 } }));
    panel = inspector(page);
  });

  test.each(NODES)(
    'node %s: top tokens, rank changes, what the block between promotes and suppresses',
    async (name) => {
      const node = truth[name] as NodeTruth;
      await clickNode(page, page, name);
      await byId('top-tokens').waitFor();
      if (name === NODES[0]) await picture(page, page, 'node');
      await expectTop(panel, node.normed.top);
      await expectUpdate(panel, '', node.normed);
      expect(node.raw.top[0]?.text).not.toBe(node.normed.top[0]?.text);
      await byId('norm-toggle').click();
      await expectTop(panel, node.raw.top);
      await expectUpdate(panel, '', node.raw);
      await byId('norm-toggle').click();
    },
  );

  test('attention edge: every head, the strongest preselected, and all of them', async () => {
    const edge = truth[EDGE] as EdgeTruth;
    const upper = await clickNode(page, page, 'A23_13');
    const chips = await Promise.all(
      [KEY, QUERY].map((position) => page.locator(`[data-testid=token-${position}]`).first().boundingBox()),
    );
    const [from, to] = chips.map((box) => (box ? box.x + box.width / 2 : 0)) as [number, number];
    // the middle of the curve is halfway between the two columns, and a quarter of a layer under its upper end
    for (let y = upper.y; y < upper.y + 20 && (await selected(page)) !== EDGE; y += 1) {
      await page.mouse.click((from + to) / 2, y);
    }
    expect(await selected(page)).toBe(EDGE);
    // attention probabilities come with the answer, the strongest contributions are there before it
    await expect.poll(() => byId('heads').locator('.figure').last().textContent()).not.toBe('');
    expectShare((await byId('edge-figures').locator('b').first().textContent()) ?? '', edge.weight);
    const heads = byId('heads').locator('button[data-head]');
    expect(await heads.count()).toBe(9);
    for (const { head, contribution, probability } of edge.heads) {
      const row = byId('heads').locator(`button[data-head="${head}"]`);
      expectShare((await row.locator('.number').textContent()) ?? '', contribution);
      expectShare((await row.locator('.figure').textContent()) ?? '', probability);
      expect(await row.getAttribute('aria-current')).toBe(head === edge.strongest.head ? 'true' : null);
    }
    await byId('head-promoted').waitFor();
    // the tags of the heads take a forward pass of their own
    await byId('heads')
      .getByText(/^first token \.\d/)
      .first()
      // a narrow inspector has them in tooltips
      .waitFor({ state: 'attached' });
    await picture(page, page, 'edge');
  });

  /** The text of the marked cell: "from ·Mary to ·to, probability 0.69, contribution 0.11". */
  const expectCell = async (maps: EdgeTruth['all'] & { head?: number }, query: number, key: number) => {
    // until it is answered, the map is empty, or that of the head before
    const marks = ['data-head', 'data-query', 'data-key'];
    await expect
      .poll(() => Promise.all(marks.map((name) => byId('map-attention').getAttribute(name))))
      .toEqual([`${maps.head ?? 'all'}`, `${query}`, `${key}`]);
    const words = /^from (.+) to (.+), probability (\S+), contribution (\S+)$/.exec(await text('map-words')) ?? [];
    expect(words.slice(1, 3)).toEqual([token(key), token(query)]);
    expectShare(words[3] ?? '', maps.probability[query]?.[key] ?? NaN);
    expectShare(words[4] ?? '', maps.contribution[query]?.[key] ?? NaN);
  };

  test('its maps: attention and contribution of the marked cell, and of those that arrow keys reach', async () => {
    const { strongest, all } = truth[EDGE] as EdgeTruth;
    await expectCell(strongest, QUERY, KEY);
    await byId('map-attention').focus();
    await page.keyboard.press('ArrowRight');
    await expectCell(strongest, QUERY, KEY + 1);
    await page.keyboard.press('ArrowUp');
    await expectCell(strongest, QUERY - 1, KEY + 1);
    await expect.poll(() => selected(page)).toBe(`attention:I22_2>A23_12#${strongest.head}`);
    await byId('map-contribution').press('End');
    await expectCell(strongest, QUERY - 1, QUERY - 1);
    for (const key of ['ArrowDown', 'Home', 'ArrowRight']) await byId('map-contribution').press(key);
    await expectCell(strongest, QUERY, KEY);
    await expect.poll(() => selected(page)).toBe(`${EDGE}#${strongest.head}`);
    await page.locator('[data-testid=maximize-inspector]').click();
    await byId('map-enlarge').click();
    await expectCell(strongest, QUERY, KEY);
    await picture(page, page, 'map-enlarged', 'map-attention');
    await byId('map-enlarge').click();
    await page.locator('[data-testid=maximize-inspector]').click();
    await byId('all-heads').click();
    await expect.poll(() => byId('map-attention').getAttribute('data-head')).toBe('all');
    await expectCell(all, QUERY, KEY);
    expect(await byId('all-heads').getAttribute('aria-pressed')).toBe('true');
  });

  test('why its head looks there, and what the head promotes and suppresses', async () => {
    const { strongest } = truth[EDGE] as EdgeTruth;
    await byId('heads').locator(`button[data-head="${strongest.head}"]`).click();
    await byId('why').waitFor();
    expectShare(await text('why-probability'), strongest.probability[QUERY]?.[KEY] ?? NaN);
    expect(await text('why-rank')).toBe(`${strongest.rank}st of ${QUERY + 1} keys`);
    const rows = byId('why-keys').locator('li');
    expect(await rows.count()).toBe(strongest.keys.length);
    const scores: number[] = [];
    for (const [at, { position, contribution, probability }] of strongest.keys.entries()) {
      const row = rows.nth(at).locator('button');
      expect(await row.locator('.at').textContent()).toBe(`${position}`);
      expectShare((await row.locator('.number').textContent()) ?? '', contribution);
      expectShare((await row.locator('.figure').textContent()) ?? '', probability);
      const score = /score ([+−]\d+\.\d)$/.exec((await row.getAttribute('title')) ?? '')?.[1] ?? '';
      scores.push(Number(score.replace('−', '-')) - Math.log(probability));
    }
    // softmax: scores are the logarithms of the probabilities, but for one constant of the row
    expect(Math.max(...scores) - Math.min(...scores)).toBeLessThan(0.11);
    await expectUpdate(panel, 'head-', strongest.written);
    await byId('part-only').click();
    await expectUpdate(panel, 'head-', strongest.part);
    await byId('part-only').click();
  });

  test('feed-forward block: its contribution, what it promotes and suppresses, its neurons', async () => {
    const block = truth[BLOCK] as BlockTruth;
    await clickNode(page, page, NODES[0] ?? '');
    await byId('made-of').getByRole('button', { name: 'feed-forward' }).click();
    expectShare((await byId('edge-figures').locator('b').first().textContent()) ?? '', block.contribution);
    await byId('neurons').waitFor();
    await picture(page, page, 'ffn');
    await expectUpdate(panel, '', block);
    const rows = byId('neurons').locator('button');
    await expect.poll(() => rows.count()).toBe(block.neurons.length);
    for (const [at, { neuron, contribution, activations }] of block.neurons.entries()) {
      const row = rows.nth(at);
      expect(await row.getAttribute('data-neuron')).toBe(`${neuron}`);
      expectShare((await row.locator('.number').first().textContent()) ?? '', contribution);
      expectActivation((await row.locator('.note').textContent()) ?? '', activations[QUERY] ?? NaN);
    }
    const sums = /together (\S+), residual (\S+), bias (\S+)$/.exec(await text('neuron-sum')) ?? [];
    block.sums.forEach((sum, at) => expectShare(sums[at + 1] ?? '', sum));
  });

  test.each([
    ['negative', -1],
    ['positive', 1],
  ])('a %s neuron: what it promotes and suppresses, its activation at every token', async (_, sign) => {
    const block = truth[BLOCK] as BlockTruth;
    const neuron = block.neurons.find(({ activations }) => Math.sign(activations[QUERY] ?? 0) === sign);
    if (!neuron) throw new Error('no such neuron among the first');
    if (sign > 0) await panel.getByRole('button', { name: 'Back' }).click();
    await byId('neurons').locator(`button[data-neuron="${neuron.neuron}"]`).click();
    await byId('neuron-promoted').waitFor();
    if (sign < 0) await picture(page, page, 'neuron');
    expect((await selected(page))?.endsWith(`#${neuron.neuron}`)).toBe(true);
    expectActivation(await text('neuron-activation'), neuron.activations[QUERY] ?? NaN);
    expect((await panel.locator('.figures').last().textContent())?.includes('opposite')).toBe(sign < 0);
    await expectUpdate(panel, 'neuron-', neuron);
    const bars = byId('neuron-positions').locator('button[data-position]');
    expect(await bars.count()).toBe(QUERY + 1);
    for (const [position, activation] of neuron.activations.entries()) {
      const label = (await bars.nth(position).getAttribute('aria-label')) ?? '';
      const [, shownToken, at, shown = ''] = /^(.+) at position (\d+): activation (\S+)$/.exec(label) ?? [];
      expect(shownToken).toBe(token(position));
      expect(Number(at)).toBe(position);
      expectActivation(shown, activation);
    }
  });
});
