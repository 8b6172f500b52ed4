// @vitest-environment happy-dom
/** The answer line in the panel: when it speaks of flow and when of effects, what a click does, what is heard. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ToWebview } from '../../extension/shared/webview';
import { mount } from '../../webview/src/mount';
import { EffectsHost } from './effectsHost';
import { analysisMessage } from './host';
import { writtenResult, type Written } from './knownEffects';

const LAST = 7;
/** Two edges into the target, the second drawn by no route. */
const UNITS: Written = { 'I2_1>A3_7': [1.2, 2.75], 'I1_2>A2_7': [0.4, -0.7], M3_7: [1, 1.2] };

describe('the answer line', () => {
  let host: EffectsHost;
  let unmount: () => void;
  const at = (id: string): HTMLElement | null => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
  const said = (): string => at('answer-said')?.textContent?.trim() ?? '';
  const heard = (): string => at('answer-heard')?.textContent ?? '';
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  const start = (more: Partial<EffectsHost> = {}): void => {
    document.body.innerHTML = '<div id="app"></div>';
    host = Object.assign(new EffectsHost(), more);
    unmount = mount(document.getElementById('app') as HTMLElement, host);
  };
  const show = async (effects: Written | null, view: object = {}, runId = 'r'): Promise<void> => {
    const message = analysisMessage({}, { target: LAST, ...view });
    host.say({ ...message, runId, effects: effects && writtenResult(LAST, effects) } as ToWebview);
    await pass(300);
  };
  beforeEach(() => {
    vi.useFakeTimers();
    start();
  });
  afterEach(() => {
    unmount();
    vi.useRealTimers();
  });

  it('is the first thing in the panel, and heard', async () => {
    await show(null);
    expect(document.querySelector('.panel [role=status]')).toBe(at('answer-heard'));
    expect(said()).toMatch(/flow (mostly )?from/);
    expect(heard()).toBe('');
    await pass(800);
    expect(heard()).toBe(said());
  });

  it('speaks of flow until the edges are measured, and is heard again only at the end', async () => {
    await show(null);
    await pass(800);
    const [byFlow, announced] = [said(), [heard()]];
    for (let i = 0; i < 60; i++) {
      host.answerOne(3);
      await pass(1000);
      if (announced.at(-1) !== heard()) announced.push(heard());
    }
    expect(host.inFlight).toEqual([]);
    expect(said()).toMatch(/because of .*\+1\.00/);
    expect(said()).not.toBe(byFlow);
    expect(announced).toEqual([byFlow, said()]);
  });

  it('is never made of half of the edges', async () => {
    await show(null);
    host.answerOne();
    await pass(1500);
    host.answerOne(1);
    await pass(100);
    expect(at('trust-going')?.textContent).toContain('more to measure');
    expect(said()).toContain('flow');
    expect(at('trust-flow')?.textContent).toContain('not a causal claim');
  });

  it('stays by flow where measuring has failed, and says so once', async () => {
    await show(null);
    host.failOne();
    await pass(1000);
    expect(said()).toContain('flow');
    expect(document.body.textContent?.split('Effects are unavailable')).toHaveLength(2);
  });

  it('is made of what an exported page knows', async () => {
    unmount();
    start({ recording: true });
    await show(UNITS, { threshold: 0.9 });
    expect(said()).toMatch(/rather than ·John|against ·John/);
    expect(said()).toContain('+2.75');
    expect(said()).toContain('−0.70');
    expect(at('trust-flow')).toBeNull();
  });

  it('selects what is clicked, or entered; text that is being marked is no click', async () => {
    unmount();
    start({ recording: true });
    await show(UNITS, { threshold: 0.9 });
    const parts = [...document.querySelectorAll<HTMLElement>('[data-testid=answer-said] [role=button]')];
    const number = parts.find(({ textContent }) => textContent === '+2.75');
    const block = parts.find(({ textContent }) => textContent?.startsWith('feed-forward'));
    const selection = () => at('inspector')?.dataset['selection'];
    number?.click();
    await pass(50);
    expect(selection()).toBe('attention:I2_1>A3_7');
    block?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await pass(50);
    expect(selection()).toBe('M3_7');
    vi.spyOn(window, 'getSelection').mockReturnValue({ isCollapsed: false } as Selection);
    number?.click();
    await pass(50);
    expect(selection()).toBe('M3_7');
    vi.restoreAllMocks();
    // one stop for Tab, arrows within
    expect(parts.filter(({ tabIndex }) => tabIndex === 0)).toHaveLength(1);
    parts[0]?.focus();
    parts[0]?.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true, cancelable: true }));
    expect(document.activeElement).toBe(parts[1]);
  });

  it('is copied with what its numbers are', async () => {
    unmount();
    start({ recording: true });
    await show(UNITS, { threshold: 0.9 });
    at('copy-answer')?.click();
    const { text } = host.toldOf('copy').at(-1) ?? { text: '' };
    expect(text.startsWith(said())).toBe(true);
    expect(text).toContain('(effects measured one at a time on the logit difference ·Mary − ·John = 4.92; ');
    await show(null, {}, 'other');
    at('copy-answer')?.click();
    expect(host.toldOf('copy').at(-1)?.text).toContain('(by flow, no causal claim; ');
  });

  it('follows the target, and stands over every view', async () => {
    await show(null, { target: 3 });
    expect(said()).toMatch(/^After /);
    for (const view of ['lens', 'heads', 'routes']) {
      at(`view-${view}`)?.click();
      await pass(50);
      expect(at('answer-said')).not.toBeNull();
    }
  });
});
