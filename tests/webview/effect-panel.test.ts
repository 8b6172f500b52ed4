// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mount } from '../../webview/src/mount';
import { writtenResult, type Written } from './knownEffects';
import { FakeHost, analysisMessage } from './host';
import { all, click, find, maybe, settled, text } from './panelDom';

const LAST = 7;
const UNITS: Written = { X0_0: [1, 7.1], X0_1: [-4, 9], X0_2: [0.4, -2], X0_3: [0.7], 'I2_1>A3_7': [1.2, 2.75] };

describe('the panel with effects', () => {
  let host: FakeHost;
  let unmount: () => void;
  const show = async (units: Written | null, view: object = {}, how?: string): Promise<void> => {
    const effects = units && writtenResult(LAST, units);
    // what is done to tokens
    for (const unit of effects?.units ?? []) if (how && unit.kind === 'token' && unit.how) unit.how = how;
    host.say({ ...analysisMessage({}, { target: LAST, ...view }), effects } as never);
    await settled();
  };
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    host = new FakeHost();
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled(20);
  });
  afterEach(() => unmount());

  it('has a switch of three inks', async () => {
    await show(UNITS);
    const pressed = () => all('[data-testid^="ink-"]').map((button) => button.getAttribute('aria-pressed'));
    expect(pressed()).toEqual(['true', 'false', 'false']);
    await click(find('ink-effect'));
    expect(pressed()).toEqual(['false', 'true', 'false']);
    expect(find('panel').textContent).toContain('supports ·Mary');
    await settled(250);
    expect(host.remembered.at(-1)?.ink).toBe('effect');
  });

  it('has a key for each kind of mark that is drawn, and for no other', async () => {
    const edges: Written = { 'I2_1>A3_7': [1.2, 2.75] };
    const keys = () => all('.legend .key').map((key) => key.textContent);
    await show(edges, { ink: 'effect', threshold: 0.9 });
    expect(keys()).toContain('strong, though no route draws it');
    expect(keys().filter((key) => key?.includes('predicted'))).toEqual([]);
    await show({ 'I2_1>A3_7': [1.2] }, { ink: 'effect', threshold: 0.005 });
    expect(keys()).not.toContain('strong, though no route draws it');
    expect(keys()).toContain('predicted, not measured yet');
    unmount();
    host = Object.assign(new FakeHost(), { recording: true });
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await show({ 'I2_1>A3_7': [1.2], M3_7: [1] }, { ink: 'effect', threshold: 0.005 });
    expect(keys()).toContain('predicted, not measured');
    expect(keys()).toContain('predicted');
  });

  it('names the number that effects are counted in', async () => {
    await show(UNITS);
    expect(text('effect-line')).toContain('logit difference ·Mary − ·John = 4.92 · bars: knock-outs, hollow: shares');
    expect(find('effect-line').querySelector('[title]')?.getAttribute('title')).toContain('no later token can read it');
  });

  it.each([
    ['knock-out', 'knock-outs', 'with the token knocked out, so that no later token can read it'],
    ['mean', 'tokens set to the mean over the prompt', 'with the token set to the mean over the prompt'],
  ])('says how tokens are measured: %s', async (how, brief, words) => {
    await show(UNITS, {}, how);
    expect(text('effect-line')).toContain(`bars: ${brief}, hollow`);
    expect(find('effect-line').querySelector('.metric')?.getAttribute('title')).toContain(`measured ${words}.`);
  });

  it('says that effects are coming, and keeps the graph', async () => {
    await show(null, { ink: 'effect' });
    expect(text('trust-predicting').trim()).toBe('predicting effects …');
    expect(maybe('graph-canvas')).not.toBe(null);
  });

  it('says why there are none', async () => {
    host.reply = (question) =>
      question.method === 'lmTransparency/predictEffects'
        ? Promise.reject(new Error('This model has no gradient.'))
        : new Promise(() => undefined);
    await show(null, { ink: 'effect' });
    expect(text('effects-failed').trim()).toBe('Effects are unavailable: This model has no gradient.');
  });

  it('offers no effects in a recording that has none', async () => {
    unmount();
    host = Object.assign(new FakeHost(), { recording: true });
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await show(null);
    expect(find('ink-effect')).toHaveProperty('disabled', true);
    expect(maybe('effect-line')).toBe(null);
  });

  it('sends heat by effect in ink effect, and by mass in the others', async () => {
    await show(UNITS, { heat: true });
    const masses = () => host.toldOf('heat').at(-1)?.masses ?? [];
    expect(masses()[1]).not.toBeCloseTo(9 / 18.1, 3);
    await click(find('ink-effect'));
    expect(masses().map((mass) => Number(mass.toFixed(4)))).toEqual(
      [7.1, 9, 2, 0, 0, 0, 0, 0].map((size) => Number((size / 18.1).toFixed(4))),
    );
  });
});
