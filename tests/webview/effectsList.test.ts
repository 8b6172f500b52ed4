// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import type { ExportParams } from '../../extension/shared/protocol';
import type { ViewState } from '../../extension/shared/webview';
import { trustInWords, wholePercent } from '../../webview/src/answer/trust';
import { answerEffects } from './effectsBackend';
import { analysisMessage } from './host';
import type { FakeHost } from './host';
import { useMounted } from './mounted';
import type { Written } from './knownEffects';
import { all, click, find, maybe, press, selection, settled, text } from './panelDom';

const LAST = 7;
const UNITS: Written = {
  'I2_1>A3_7': [1.28, 2.75],
  'I0_2>A1_5': [-2, -0.5],
  'X0_0>A0_3': [0.4, 3],
  '2.1@7': [0.3, 0.2],
  M2_3: [0.1, -0.9],
  X0_1: [1, 4],
  X0_7: [2, null],
  'M2_3#12': [0.02],
};
const FAITHFUL = { sign: 2 / 3, rho: -0.5, kept: 1.2, removed: -0.08 };

let host: FakeHost;

useMounted((made) => (host = made));

const show = async (view: Partial<ViewState> = {}, notices: string[] = []): Promise<void> => {
  answerEffects(host, { units: UNITS, value: 4.92, faithfulness: FAITHFUL, notices });
  // next to nothing is drawn, so that only these units are measured
  host.say(analysisMessage({}, { target: LAST, threshold: 0.9, ...view }));
  await settled();
};
const tabs = () => all('[role=tablist][aria-label=Lists] [role=tab]').map((tab) => tab.textContent);
const numbers = (list: string) =>
  all(`[data-testid="${list}"] .effect-row`).map((row) =>
    [row.dataset['unit'], ...[...row.querySelectorAll('.number')].map((number) => number.textContent)].join(' '),
  );

describe('lists of effects', () => {
  it('are by kind, after the routes; with ink Effect before them', async () => {
    await show();
    expect(tabs()).toEqual(['routes', 'edges', 'heads', 'blocks', 'tokens', 'neurons']);
    expect(find('twin').textContent).toContain('Strongest routes');
    await click(find('ink-effect'));
    expect(tabs()).toEqual(['edges', 'heads', 'blocks', 'tokens', 'neurons', 'routes']);
    expect(maybe('effects-edge')).not.toBeNull();
    await click(find('list-routes'));
    expect(find('twin').textContent).toContain('Strongest routes');
  });

  it('have the measured ones first, or go by prediction, with their figures and what was done', async () => {
    await show({ ink: 'effect' });
    expect(numbers('effects-edge')).toEqual([
      'X0_0>A0_3 +0.40 +3.00',
      'I2_1>A3_7 +1.28 +2.75',
      'I0_2>A1_5 −2.00 −0.50',
    ]);
    expect(text('effects-done')).toBe('3 of 3 measured: set to zero.');
    await click(find('order-predicted'));
    expect(numbers('effects-edge').map((row) => row.split(' ')[0])).toEqual(['I0_2>A1_5', 'I2_1>A3_7', 'X0_0>A0_3']);
    await click(find('list-ffn'));
    expect(text('effects-done')).toBe('1 of 1 measured: set to the mean over the prompt.');
    await click(find('list-token'));
    expect(text('effects-done')).toBe('1 of 2 measured: kept from being read by later tokens.');
    await click(find('list-neuron'));
    expect(numbers('effects-neuron')).toEqual(['M2_3#12 +0.02 ']);
    expect(text('effects-done')).toBe('1 predicted, none measured yet: open one to measure it.');
  });

  it('tell supporting from opposing, and measured from predicted', async () => {
    await show({ ink: 'effect' });
    const fills = () => all('.effect-row .fill').map((fill) => [...fill.classList].slice(1).join(' '));
    expect(fills()).toEqual(['supports', 'supports', 'opposes']);
    await click(find('list-neuron'));
    expect(fills()).toEqual(['supports guessed']);
  });

  it('are read with their effects, and select what they are about', async () => {
    await show({ ink: 'effect' });
    const row = all('[data-unit="I2_1>A3_7"]')[0];
    expect(row?.querySelector('.sr-only')?.textContent).toMatch(
      /^.+ to .+, layer 3: effect \+2\.75 measured, predicted \+1\.28$/,
    );
    await click(row);
    expect(selection()).toBe('attention:I2_1>A3_7');
    expect(all('[data-unit="I2_1>A3_7"]')[0]?.getAttribute('aria-pressed')).toBe('true');
    for (const [list, unit] of [
      ['ffn', 'M2_3'],
      ['token', 'X0_1'],
      ['neuron', 'M2_3#12'],
    ]) {
      await click(find(`list-${list}`));
      await click(all(`[data-unit="${unit}"]`)[0]);
      expect(selection()).toBe(unit);
    }
    await click(find('list-head'));
    await click(all('[data-unit="2.1@7"]')[0]);
    expect(text('head-filter')).toContain('L2 H1');
    await click(all('[data-unit="2.1@7"]')[0]);
    expect(maybe('head-filter')).toBeNull();
  });

  it('move with the arrows, and are copied as a table', async () => {
    await show({ ink: 'effect' });
    find('list-edge').focus();
    await press('ArrowRight');
    expect(document.activeElement).toBe(find('list-head'));
    expect(maybe('effects-head')).not.toBeNull();
    await click(find('list-edge'));
    await click(find('copy-effects-edge'));
    expect(host.toldOf('copy').at(-1)?.text.split('\n').slice(0, 2)).toEqual([
      'unit\ttext\tset to\tpredicted\tmeasured\tKL\tshare',
      'X0_0>A0_3\t\tzero\t0.4\t3\t0.5\t',
    ]);
  });

  it('say why there are none', async () => {
    host.say(analysisMessage({}, { ink: 'effect' }));
    await settled();
    expect(text('no-effects')).toBe('Effects are being predicted …');
    host.say({ type: 'offline', offline: true, message: '' });
    await settled();
    expect(text('no-effects')).toContain('offline');
  });
});

describe('how far to trust effects', () => {
  it('is said with what was measured', async () => {
    await show({}, ['Layer 1 has no gradient.']);
    expect(text('trust-said').trim()).toBe(
      'Measured 3 candidates: sign as predicted 2 of the 3 strongest, rank agreement −0.50; the drawing alone keeps 120% of the logit, −8% is left without it: the drawing holds it alone.',
    );
    expect(text('trust')).toContain('Layer 1 has no gradient.');
    await click(find('trust-help'));
    const terms = all('.trust-figures dt').map((term) => term.textContent);
    expect(terms).toContain('Kept by the drawing alone 120%');
    expect(terms).toContain('Error of the shares 3e-7');
    for (const said of all('.trust-figures dd')) expect(said.textContent?.match(/\.(?= |$)/g)).toHaveLength(3);
    await click(all('.trust-figures .link')[0]);
    expect(host.toldOf('openDocs').at(-1)?.address).toBe('inspectors#how-far-to-trust-it');
  });

  it('is not said before anything is measured', async () => {
    host.say(analysisMessage());
    await settled();
    expect(maybe('trust-said')).toBeNull();
    expect(text('trust-flow')).toContain('not a causal claim');
  });

  it('leaves out what is not known', () => {
    const nothing = { n: 0, sign: null, rho: null, kept: null, removed: null };
    expect(trustInWords({ drawn: 0, others: 0 }, nothing, 'logit')).toBe('');
    expect(trustInWords({ drawn: 1, others: 0 }, null, 'logit')).toBe('Measured 1 edge.');
    const far = { ...nothing, kept: -38.28, removed: -40.25 };
    expect(trustInWords({ drawn: 0, others: 0 }, far, 'logit')).toBe(
      'All attention edges together change the logit too little to compare the drawing with.',
    );
    expect(trustInWords({ drawn: 0, others: 2 }, { ...nothing, n: 2, sign: 0.5 }, 'logit')).toBe(
      'Measured 2 candidates: sign as predicted 1 of the 2 strongest.',
    );
    expect(trustInWords({ drawn: 0, others: 0 }, { ...nothing, kept: 0.61, removed: 0.08 }, 'difference')).toBe(
      'The drawing alone keeps 61% of the difference, 8% is left without it.',
    );
    const compared = (kept: number, removed: number | null): string =>
      trustInWords({ drawn: 0, others: 0 }, { ...nothing, kept, removed }, 'logit').split(/of the logit(?:, [^:]*without it)?/)[1] ?? ''; // prettier-ignore
    expect(compared(-0.03, -0.53)).toBe(': the drawing does not hold it alone.');
    expect(compared(0.1, 0.9)).toBe(': the drawing does not hold it alone, and the model can do without it.');
    expect(compared(0.5, 0.8)).toBe(': the model can do without it.');
    expect(compared(0.9, null)).toBe(': the drawing holds it alone.');
    expect([-0.004, 0.004, -1.2, 2].map(wholePercent)).toEqual(['0%', '0%', '−120%', '200%']);
  });
});

describe('an export', () => {
  it('has the ink of effects, and what is known of them', async () => {
    await show({ ink: 'effect' });
    host.say({ type: 'export', format: 'svg', appearance: 'light' });
    await settled(40);
    const [{ ink, effects } = {} as ExportParams] = host.askedBy('lmTransparency/export') as ExportParams[];
    expect(ink).toBe('effect');
    expect(effects?.units.find(({ unit }) => unit === 'I2_1>A3_7')?.measured).toBe(2.75);
    expect(effects?.faithfulness?.kept).toBe(1.2);
  });
});
