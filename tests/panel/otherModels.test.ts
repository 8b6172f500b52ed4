// Effects of models that are no plain language model, and of a long prompt: tiny ones, in a backend of their own.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MeasureEffectsResult } from '../../extension/shared/protocol.ts';
import { repositoryPython, repositoryRoot } from '../../scripts/host/paths.mjs';
import { byTestId } from '../e2e/harness/vitest.ts';
import { seriousFindings } from './accessibility.ts';
import type { Backend } from './backend.ts';
import { handsOn } from './hands.ts';
import type { PanelHost } from './host.ts';
import { COMPARED, expectEffects, selected, unitsOf } from './reading.ts';
import { usePanel } from './window.ts';

const SAVE = join(repositoryRoot, 'tests', 'python', 'support', 'save_odd_models.py');
const words = (n: number) => Array.from({ length: n }, (_, i) => `w${(i * i + 3 * i) % 40}`).join(' ');
const asked = (model: string, n: number) => ({ prompt: words(n), source: join(models, model) });
const view = { ink: 'effect' as const };
const models = mkdtempSync('/tmp/lmt-models-');
const runtime = mkdtempSync('/tmp/lmt-other-');

describe('effects', () => {
  let host: PanelHost;
  let page: Page;
  let backend: Backend;
  const byId = byTestId(() => page);
  const measured = async () => {
    await byId('trust-said').filter({ hasText: COMPARED }).waitFor();
    await byId('trust-going').waitFor({ state: 'detached' });
  };
  /** A list on screen has the figures that the backend gives. */
  const compare = async (kind: string, about: object) => {
    await byId(`list-${kind}`).click();
    const list = byId(`effects-${kind}`);
    const runId = await byId('panel').getAttribute('data-run');
    const params = { runId, ...about, units: await unitsOf(list), seconds: 20 };
    const { units } = (await backend.request('lmTransparency/measureEffects', params)) as MeasureEffectsResult;
    expect(units.length).toBeGreaterThan(5);
    await expectEffects(list, units);
  };

  // before the panel's own: it is run after it
  afterAll(() => {
    if (backend) process.kill(backend.processId, 'SIGTERM');
    for (const folder of [models, runtime]) rmSync(folder, { recursive: true, force: true });
  });
  const open = usePanel(runtime);

  beforeAll(async () => {
    await promisify(execFile)(repositoryPython(), [SAVE, models]);
    const options = { viewport: { width: 1200, height: 850 }, view };
    ({ host, page, backend } = await open(asked('classifier', 8), options));
  });

  test('of a classifier are those of a label, against another one', async () => {
    await measured();
    expect(await byId('effect-line').textContent()).toMatch(/^logit of LABEL_\d = /);
    await page.locator('.versus', { hasText: 'vs' }).first().click();
    await expect
      .poll(() => byId('effect-line').textContent())
      .toMatch(/^logit difference LABEL_(\d) − LABEL_(?!\1)\d = /);
    await measured();
    const text = (await byId('effect-line').textContent()) ?? '';
    await compare('edge', { position: 7, contrast: /− (LABEL_\d)/.exec(text)?.[1] });
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('of a hybrid say what was done to tokens in place of a knock-out', async () => {
    await host.analyze(asked('hybrid', 8), { view });
    await measured();
    expect(await byId('effect-line').textContent()).toContain('bars: tokens set to the mean over the prompt');
    expect(await byId('effect-3').getAttribute('title')).toContain('measured: set to the mean over the prompt');
    await compare('token', { position: 7 });
    await compare('edge', { position: 7 });
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('of its experts and their neurons are reached by keyboard alone', async () => {
    const { press, tabTo } = handsOn(() => page);
    await byId('list-token').focus();
    await press('Home');
    for (let i = 0; i < 6 && !(await byId('effects-ffn').isVisible()); i++) await press('ArrowRight');
    await tabTo(byId('effects-ffn'));
    await press('Enter');
    await tabTo(byId('experts'));
    await press('ArrowDown', 'Enter');
    await expect.poll(() => selected(page)).toMatch(/@/);
    await byId('expert-gate').waitFor();
    await expect.poll(() => byId('effect-measured').textContent()).toMatch(/\d/);
    await press('k');
    await byId('knock-out-changes').waitFor();
    await tabTo(byId('neurons'));
    await press('ArrowDown', 'Enter');
    await expect.poll(() => selected(page)).toMatch(/@.*#/);
    await press('Escape', 'Escape');
    await expect.poll(() => selected(page)).not.toContain('@');
  });

  test('of 963 tokens are measured behind what is clicked', async () => {
    await host.analyze(asked('long', 963), { view });
    await byId('trust-going').waitFor();
    expect(await byId('effect-line').textContent()).toContain('hollow: shares');
    await byId('list-edge').click();
    await byId('effects-edge').locator('button').first().click();
    await byId('heads').locator('.bar-row').first().waitFor({ timeout: 10_000 });
    expect(await selected(page)).toMatch(/^attention:/);
    expect(await byId('trust-going').textContent()).toMatch(/\d+ more to measure/);
    await expect.poll(() => byId('effects-edge').locator('.truth').first().textContent()).toMatch(/\d/);
    expect(await seriousFindings(page)).toEqual([]);
  });
});
