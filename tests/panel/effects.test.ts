// The drawing of effects: of the sentence of samples/ioi.prompt, the answer against ·John.
import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PredictEffectsResult } from '../../extension/shared/protocol.ts';
import { byTestId } from '../e2e/harness/vitest.ts';
import { seriousFindings } from './accessibility.ts';
import type { Backend } from './backend.ts';
import type { PanelHost } from './host.ts';
import { contrastsOf } from './contrasts.ts';
import { boxOf } from './places.ts';
import { COMPARED, expectDecimals, inspector, selected } from './reading.ts';
import { THEMES } from './themes.ts';
import { IOI, usePanel } from './window.ts';

const LAST = 13;
const LAYERS = 30;

describe('effects in the drawing', () => {
  const open = usePanel();
  let page: Page;
  let host: PanelHost;
  let backend: Backend;
  const byId = byTestId(() => page);

  beforeAll(async () => {
    const metric = { target: null, contrast: ' John' };
    const options = { viewport: { width: 1280, height: 900 }, view: { ink: 'effect' as const, metric } };
    ({ page, host, backend } = await open(IOI, options));
    // all units, measured a few at a time
    await page.locator('[data-testid=effect-line] .metric').waitFor();
    await byId('trust-said').filter({ hasText: COMPARED }).waitFor({ timeout: 90_000 });
    await byId('trust-going').waitFor({ state: 'detached' });
  });

  test('the row under the tokens has the measured knock-outs, in every ink', async () => {
    const runId = await byId('panel').getAttribute('data-run');
    const params = { runId, position: LAST, contrast: ' John' };
    const predicted = (await backend.request('lmTransparency/predictEffects', params)) as PredictEffectsResult;
    const units = ['X0_1', 'X0_3', 'X0_9'];
    const answer = (await backend.request('lmTransparency/measureEffects', { ...params, units, seconds: 20 })) as {
      units: { unit: string; measured: number }[];
    };
    for (const ink of ['flow', 'local', 'effect']) {
      await byId(`ink-${ink}`).click();
      for (const { unit, measured } of answer.units) {
        const bar = byId(`effect-${unit.slice(3)}`).first();
        expectDecimals((await bar.locator('.number').textContent()) ?? '', measured, 1);
        expect(
          await byId(`token-${unit.slice(3)}`)
            .first()
            .getAttribute('aria-label'),
        ).toMatch(/, effect .*, measured$/);
        expect(await bar.getAttribute('title')).toMatch(/measured.*\npredicted .*\nshare .* of .*\nmass 0\.\d+/);
      }
    }
    expect(answer.units).toHaveLength(units.length);
    // with the pointer over it, its title shows
    const { x, y } = await boxOf(byId('effect-1').first());
    expect(await page.evaluate(([x = 0, y = 0]) => document.elementFromPoint(x, y)?.closest('[title]')?.className, [x + 9, y + 9])).toContain('effect'); // prettier-ignore
    expect(await byId('effect-0').first().getAttribute('title')).toContain('Heads rest on the first token');
    // nothing can be measured for the last token, so it has its share
    expect(await byId(`effect-${LAST}`).first().getAttribute('title')).toMatch(/^share .* not measured/);
    expect(await byId('effect-line').textContent()).toContain(`= ${predicted.metric.value.toFixed(2)}`);
  });

  test('an edge that no route draws is hovered, and opens', async () => {
    const canvas = await boxOf(byId('graph-canvas'));
    const [from, to] = [await boxOf(byId('token-1').first()), await boxOf(byId(`token-${LAST}`).first())];
    const x = (from.x + to.x + from.width) / 2;
    const tip = page.locator('.tooltip');
    let found = '';
    for (let y = canvas.y + 50; y < canvas.y + canvas.height / 2 && found === ''; y += 3) {
      await page.mouse.move(x, y);
      if ((await tip.count()) > 0 && (await tip.textContent())?.includes('no route keeps it')) {
        found = (await tip.textContent()) ?? '';
        await page.mouse.click(x, y);
      }
    }
    expect(found).toMatch(/attention, layer \d+effect [+−]\d+\.\d\d of \d+\.\d\d \(predicted [+−]\d\.\d\d\)/);
    expect(await selected(page)).toMatch(/^attention:/);
    expect(await inspector(page).textContent()).toContain('attention edge');
    await page.keyboard.press('Escape');
  });

  test('the screen reader hears the effect of a block', async () => {
    await page.locator('.stage').focus();
    // from the last node down to its feed-forward block
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Shift+ArrowDown');
    const said = page.locator('.stage [aria-live]');
    await expect
      .poll(() => said.textContent())
      .toMatch(new RegExp(`feed-forward block, layer ${LAYERS - 1} at .*, effect [+−]\\d.\\d\\d, measured, flow`));
  });

  test('heads have their effects', async () => {
    await byId('view-heads').click();
    expect(await byId('head-tags').textContent()).toMatch(/predicted effect, summed over positions, up to ±\d\.\d\d/);
    await byId('view-routes').click();
  });

  describe('the drawing on a picture', () => {
    /** Edges between different tokens, most flow first. */
    let routes: string[];
    /** The same that are measured, the largest effect first. */
    let measured: string[];

    beforeAll(async () => {
      const names = (list: Locator) =>
        list.locator('button[data-name]').evaluateAll((all) => all.map((row) => row.getAttribute('data-name') ?? ''));
      await byId('list-routes').click();
      await page
        .getByRole('button', { name: /^Show all/ })
        .first()
        .click();
      routes = (await names(byId('twin').locator('.routes').first())).filter((name) => name.startsWith('attention:'));
      await byId('list-edge').click();
      measured = (await names(byId('effects-edge'))).filter((name) => routes.includes(name));
      await page.keyboard.press('Escape');
      await byId('maximize-graph').click();
    });

    test.each(THEMES)('stands out from the background in %s, and its text is legible', async (theme) => {
      await host.setTheme(theme);
      for (const [ink, strongest] of [
        ['flow', routes.slice(0, 10)],
        ['effect', measured.slice(0, 6)],
      ] as const) {
        await byId(`ink-${ink}`).click();
        await page.mouse.move(5, 5);
        const seen = await contrastsOf(page, ink === 'flow' ? routes : [...new Set([...strongest, ...routes])]);
        for (const name of strongest) expect(seen.get(name), `${ink} ${name}`).toBeGreaterThanOrEqual(3);
        for (const [name, contrast] of seen) expect(contrast, `${ink} ${name}`).toBeGreaterThanOrEqual(1.5);
      }
      expect(await seriousFindings(page, true)).toEqual([]);
    });

    test('what a part of the answer selects is plain in each of them', async () => {
      await byId('answer-said')
        .locator('[role=button]', { hasText: /^layer 23$/ })
        .first()
        .click();
      const name = (await selected(page)) ?? '';
      expect(name).toMatch(/^attention:I22_\d+>A23_13$/);
      for (const theme of THEMES) {
        await host.setTheme(theme);
        // the selection fades in
        await expect
          .poll(async () => (await contrastsOf(page, [name])).get(name), { message: theme })
          .toBeGreaterThanOrEqual(3);
      }
    });
  });
});
