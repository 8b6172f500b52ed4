// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import type { MeasureEffectsParams } from '../../extension/shared/protocol';
import type { ToWebview, ViewState } from '../../extension/shared/webview';
import { answerEffects } from './effectsBackend';
import { analysisMessage } from './host';
import type { FakeHost } from './host';
import { useMounted } from './mounted';
import type { Written } from './knownEffects';
import { all, click, find, maybe, press, rows, settled, text } from './panelDom';

const LAST = 7;
const UNITS: Written = {
  'I2_1>A3_7': [1.28, 2.75],
  M2_3: [0.1, -0.9],
  X0_1: [1, 4],
  X0_7: [2, null],
  'M2_3#12': [0.02],
};

let host: FakeHost;

useMounted((made) => (host = made));

const show = async (view: Partial<ViewState>, nTokens = LAST + 1, units = UNITS): Promise<void> => {
  answerEffects(host, { units, value: 4.92 });
  // next to nothing is drawn, so that little is measured behind the drawing
  host.say(analysisMessage({ nTokens }, { target: nTokens - 1, threshold: 0.9, ...view }));
  await settled();
};

describe('what an inspector says of effects', () => {
  const measured = () =>
    (host.askedBy('lmTransparency/measureEffects') as MeasureEffectsParams[]).filter((p) => !p.behind);
  const inspect = async (name: string): Promise<void> => {
    await show({ selection: name });
    await settled(60);
  };

  it('is the measured effect, of what, and what was predicted', async () => {
    await inspect('attention:I2_1>A3_7');
    expect(text('effect')).toContain('effect +2.75 of 4.92 (predicted +1.28)');
    await inspect('M2_3');
    expect(text('effect')).toContain('effect −0.90 of 4.92 (predicted +0.10)');
    expect(find('effect').querySelector('b')?.className).toBe('opposes');
    await inspect('X0_7');
    expect(text('effect')).toContain('no effect: no later token reads it');
  });

  it('is measured on opening, as a question of its own', async () => {
    await inspect('M2_3#12');
    expect(measured()).toMatchObject([{ position: LAST, units: ['M2_3#12'], behind: false }]);
    await inspect('attention:I1_2>A2_6');
    const units = measured().flatMap((params) => params.units ?? []);
    expect(units).toContain('I1_2>A2_6');
    expect(units.filter((unit) => unit.startsWith('I1_2>A2_6/'))).toHaveLength(9);
    expect(all('[data-testid=heads] .effect-figure.measured')).toHaveLength(9);
    expect(new Set(units).size).toBe(units.length);
  });

  it('is nothing for a state of the residual stream, and for what comes after the target', async () => {
    await inspect('I2_3');
    expect(maybe('effect')).toBeNull();
    await show({ target: 4, selection: 'M2_6' });
    expect(text('effect')).toBe('no effect: it comes after the target');
    expect(measured()).toEqual([]);
  });

  it('knocks out with a button or k, and shows the model as it is again', async () => {
    await inspect('attention:I2_1>A3_7');
    await click(find('knock-out'));
    await settled(40);
    expect(rows('knock-out-changes')).toEqual(['·Mary92% → 31%', '·John0.2% → 30%']);
    expect(text('knock-out-sum')).toContain('set to zero · logit of ·Mary 4.92 → 2.17 (effect +2.75) · KL 0.50 nats');
    expect(document.activeElement).toBe(find('knock-out-undo'));
    await click(find('knock-out-undo'));
    expect(maybe('knock-out-changes')).toBeNull();
    expect(document.activeElement).toBe(find('knock-out'));
    await press('k', document.querySelector('.stage'));
    await settled(40);
    expect(maybe('knock-out-changes')).not.toBeNull();
    await press('k', document.querySelector('.stage'));
    expect(maybe('knock-out-undo')).toBeNull();
  });

  it('knocks out with another baseline, and gives up when it is left', async () => {
    await inspect('M2_3');
    await click(find('knock-out'));
    const how = find('knock-out-how') as HTMLSelectElement;
    how.value = 'zero';
    how.dispatchEvent(new Event('change', { bubbles: true }));
    await settled(40);
    expect(host.askedBy('lmTransparency/knockOut')).toMatchObject([{ unit: 'M2_3', how: 'default' }, { how: 'zero' }]);
    host.reply = () => new Promise(() => undefined);
    how.value = 'mean';
    await press('Escape', find('inspector').querySelector('button'));
    expect(maybe('knock-out-undo')).toBeNull();
  });

  it('has bars and an order by effect with ink Effect', async () => {
    const units: Written = { ...UNITS, 'I2_1>A3_7/4': [null, -2] };
    await show({ selection: 'attention:I2_1>A3_7', ink: 'effect' }, LAST + 1, units);
    await settled(60);
    expect(rows('heads')[0]).toMatch(/^H4−2\.00/);
    const tones = all('[data-testid=heads] .fill').map((fill) => fill.className);
    expect(tones.slice(0, 2)).toEqual(['fill opposes', 'fill supports']);
  });

  it('is measured on demand where effects are off', async () => {
    answerEffects(host, { units: UNITS, value: 4.92 });
    host.say({ ...analysisMessage({}, { target: LAST, selection: 'M2_3' }), measured: 0 } as ToWebview);
    await settled();
    expect(measured()).toEqual([]);
    await click(find('measure'));
    await settled(40);
    expect(text('effect')).toContain('effect −0.90');
    expect(measured()).toMatchObject([{ units: ['M2_3'] }]);
  });

  it('has the group of a token in a long prompt: measured together, or said not to be', async () => {
    const tokens = Array.from({ length: 160 }, (_, t) => t);
    const units = Object.fromEntries(tokens.map((t) => [`X0_${t}`, [0.1] as [number]]));
    const span = (first: number) => Array.from({ length: 8 }, (_, i) => `X0_${first + i}`).join('+');
    await show({ selection: 'X0_9', grouping: 'span8' }, 160, { ...units, [span(8)]: [0.8, 1.9] });
    await settled(60);
    expect(text('group-effect')).toBe('its group (8 tokens, 8 to 15): effect +1.90 of 4.92');
    await show({ selection: 'X0_9', grouping: 'span128' }, 160, units);
    await settled(60);
    expect(find('group-effect').querySelector('i')?.textContent).toBe('effect not measured');
    await show({ selection: 'X0_9', grouping: 'token' }, 160, units);
    expect(maybe('group-effect')).toBeNull();
  });
});
