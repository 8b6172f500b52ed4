// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeTokensParams, NodeTokensResult } from '../../extension/shared/protocol';
import type { Question, ViewState } from '../../extension/shared/webview';
import { mount } from '../../webview/src/mount';
import type { SyntheticOptions } from '../../webview/dev/synthetic';
import { FakeHost, analysisMessage } from './host';

function tokensOf(node: string): NodeTokensResult {
  const score = (text: string, probability: number | null, rankChange: number | null) => ({
    id: 1,
    text,
    logit: 3,
    probability,
    rankChange,
  });
  return {
    node,
    top: [score(' Mary', 0.62, 14), score('<img src=x onerror=alert(1)>', 0.1, -3)],
    update: { promoted: [score(' Maria', null, null)], suppressed: [score('\n', null, null)] },
    lens: 'logit',
  };
}

/** Nodes are answered; nothing is said about what else is asked. */
const answered = (question: Question): Promise<NodeTokensResult> =>
  question.method === 'lmTransparency/nodeTokens'
    ? Promise.resolve(tokensOf((question.params as NodeTokensParams).node))
    : new Promise(() => undefined);

const settled = (ms = 150): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const find = (id: string): HTMLElement => {
  const element = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
  if (!element) throw new Error(`no ${id} in the panel`);
  return element;
};
const text = (id: string): string => find(id).textContent ?? '';

describe('the panel', () => {
  let host: FakeHost;
  let unmount: () => void;
  const show = async (
    options: Partial<SyntheticOptions> = {},
    view: Partial<ViewState> | null = null,
  ): Promise<void> => {
    host.say(analysisMessage(options, view));
    await settled();
  };
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    host = new FakeHost();
    host.reply = answered;
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled(20);
  });
  afterEach(() => unmount());

  it('says how to start while there is nothing', () => {
    expect(find('panel').dataset['state']).toBe('empty');
    find('panel').querySelector('button')?.click();
    expect(host.told).toContainEqual({ type: 'action', action: 'analyze' });
  });

  it('says of a page of before that it is coming back', async () => {
    unmount();
    host = Object.assign(new FakeHost(), { restores: true });
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled(20);
    expect(text('panel')).toContain('Restoring the analysis …');
    await show();
    expect(find('panel').dataset['state']).toBe('ready');
  });

  it('shows progress that can be cancelled', async () => {
    host.say({ type: 'progress', message: 'Contributions: layer 2 of 4', fraction: 0.5 });
    await settled(20);
    expect(find('panel').dataset['state']).toBe('loading');
    expect(find('panel').querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')).toBe('50');
    find('panel').querySelector('button')?.click();
    expect(host.told).toContainEqual({ type: 'action', action: 'cancel' });
  });

  it('shows a failure with its remedy and buttons', async () => {
    const actions = [{ action: 'setUpBackend' as const, label: 'Set Up Backend' }];
    host.say({ type: 'failure', message: 'No torch.', remedy: 'Set it up.', actions });
    await settled(20);
    expect(text('panel')).toContain('No torch.');
    expect(text('panel')).toContain('Set it up.');
    find('panel').querySelector('button')?.click();
    expect(host.told).toContainEqual({ type: 'action', action: 'setUpBackend' });
  });

  it('shows tokens, edge count and proof of an analysis', async () => {
    await show();
    expect(find('panel').dataset['state']).toBe('ready');
    expect(text('edge-count')).toMatch(/^\d+ edges?$/);
    expect(text('proof')).toBe('adds up ✓ 4e-7');
    expect(find('graph-canvas').tagName).toBe('CANVAS');
  });

  it('says so over the whole width when the proof does not hold', async () => {
    await show({ proofHolds: false });
    expect(find('proof').dataset['holds']).toBe('false');
    expect(text('proof')).not.toContain('✓');
    expect(text('proof-warning')).toContain('The parts do not sum to the whole');
  });

  it('answers the slider, takes a typed value and goes back to auto', async () => {
    await show();
    const edges = (): number => Number.parseInt(text('edge-count'), 10);
    const slider = find('threshold') as HTMLInputElement;
    const typed = find('threshold-value') as HTMLInputElement;
    const move = async (value: string): Promise<void> => {
      slider.value = value;
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      await settled(20);
    };
    await move('0.005');
    const many = edges();
    await move('0.1');
    expect(edges()).toBeLessThan(many);
    // letter by letter, and what is drawn in between leaves it alone
    for (const text of ['0', '0.', '0.2', '0.25']) {
      typed.value = text;
      typed.dispatchEvent(new Event('input', { bubbles: true }));
      await settled(20);
      expect(typed.value).toBe(text);
    }
    typed.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    await settled(20);
    expect(typed.value).toBe('0.250');
    expect(find('auto').getAttribute('aria-pressed')).toBe('false');
    find('auto').click();
    await settled(20);
    expect(find('auto').getAttribute('aria-pressed')).toBe('true');
  });

  it('offers in a recording nothing that needs the model or the editor', async () => {
    unmount();
    host = new FakeHost();
    host.recording = true;
    host.inEditor = false;
    host.reply = () => Promise.reject(new Error('nobody answers'));
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await show({}, { selection: 'model' });
    for (const id of ['export', 'heat']) expect(document.querySelector(`[data-testid=${id}]`)).toBeNull();
    find('model-facts');
    expect(document.querySelector('[data-action]')).toBeNull();
    await show({}, { selection: 'I2_3' });
    // the page says itself what it has no answers about
    expect(text('inspector')).toContain('nobody answers');
    expect(document.querySelector('[data-testid=norm-toggle]')).toBeNull();
  });

  it('lists the strongest routes as buttons with words', async () => {
    await show();
    const rows = [...find('twin').querySelectorAll('button.route')];
    expect(rows.length).toBeGreaterThan(2);
    expect(rows[0]?.getAttribute('title')).toMatch(
      /^attention edge from '.*' (layer \d+|embedding) to '.*' layer \d+, contribution [\d.<]+, flow [\d.<]+$/s,
    );
    expect(find('twin').querySelectorAll('button[tabindex="0"].route')).toHaveLength(2);
  });

  it('opens an edge from the list: its heads, largest first', async () => {
    await show();
    find('twin').querySelector<HTMLElement>('button.route')?.click();
    await settled(20);
    expect(find('inspector').dataset['selection']).toMatch(/^attention:/);
    expect(text('inspector')).toContain('attention edge');
    expect(text('edge-figures')).toMatch(/contribution [\d.]+ of the residual after attention/);
    const heads = [...find('heads').querySelectorAll('.number')].map((cell) => Number(cell.textContent));
    expect(heads).toEqual([...heads].sort((a, b) => b - a));
    expect(host.told.at(-1)).toEqual({ type: 'selected', position: expect.any(Number) as number });
  });

  it('shows the top tokens of a node as text, whatever they hold', async () => {
    await show({}, { selection: 'I1_1' });
    const rows = [...find('top-tokens').querySelectorAll('li')].map((row) => row.textContent);
    expect(rows).toEqual(['·Mary↑1462%', '<img·src=x·onerror=alert(1)>↓310%']);
    expect(document.querySelector('img')).toBe(null);
    expect(text('promoted')).toContain('·Maria');
    expect(text('suppressed')).toContain('⏎');
    expect(text('made-of')).not.toBe('');
  });

  it('keeps results usable while the backend is away', async () => {
    host.reply = () => Promise.reject(new Error('gone'));
    await show();
    host.say({ type: 'offline', offline: true, message: 'The backend has stopped.' });
    find('twin').querySelectorAll<HTMLElement>('section:nth-child(2) button.route')[0]?.click();
    await settled(20);
    expect(text('offline')).toContain('The backend has stopped.');
    expect(find('panel').dataset['state']).toBe('ready');
    expect(text('inspector')).toContain('The backend is offline');
  });

  it('says quietly over the graph of an edited prompt why there is no newer one, and what helps', async () => {
    await show();
    const action = { action: 'analyze', label: 'Analyze Once' } as const;
    host.say({ type: 'updating', message: 'Updating' });
    await settled(20);
    expect(find('updating').getAttribute('aria-hidden')).toBe('true');
    host.say({ type: 'updating', message: 'Too long to follow.', action });
    await settled(20);
    expect(find('updating').getAttribute('aria-hidden')).toBeNull();
    find('updating').querySelector('button')?.click();
    expect(host.told).toContainEqual({ type: 'action', action: 'analyze' });
    host.say({ type: 'updating', message: null });
    await settled(20);
    expect(document.querySelector('[data-testid=updating]')).toBeNull();
  });

  it('keeps the graph while another is computed, with how far that is and a way to cancel it', async () => {
    await show();
    const action = { action: 'cancel', label: 'Cancel' } as const;
    host.say({ type: 'updating', message: 'Forward pass, layer 3 of 4', fraction: 0.75, action });
    await settled(20);
    expect(find('panel').dataset['state']).toBe('ready');
    expect(document.querySelector('.graph.updating .stage')).not.toBeNull();
    expect(find('updating').querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')).toBe('75');
    find('updating').querySelector('button')?.click();
    expect(host.told).toContainEqual({ type: 'action', action: 'cancel' });
    host.say({ type: 'updating', message: null });
    await settled(20);
    expect(document.querySelector('.graph.updating')).toBeNull();
  });

  it('says over the graph before why there is no new one', async () => {
    await show();
    const actions = [{ action: 'dismiss' as const, label: 'Dismiss' }];
    host.say({ type: 'failure', message: 'Out of memory.', remedy: 'Shorten it.', actions });
    await settled(20);
    expect(find('panel').dataset['state']).toBe('ready');
    expect(text('trouble')).toBe('Out of memory. Shorten it.Dismiss');
    expect(find('trouble').getAttribute('role')).toBe('alert');
    find('trouble').querySelector('button')?.click();
    expect(host.told).toContainEqual({ type: 'action', action: 'dismiss' });
    host.say({ type: 'updating', message: null });
    await settled(20);
    expect(document.querySelector('[data-testid=trouble]')).toBeNull();
  });

  it('has the keyboard on the graph when its group gets it, but where a pointer chose another place', async () => {
    await show();
    const focused = async (pressed = false) => {
      (document.activeElement as HTMLElement | null)?.blur();
      window.dispatchEvent(new Event('focus'));
      if (pressed) window.dispatchEvent(new Event('pointerdown'));
      await settled(20);
      return document.activeElement;
    };
    expect((await focused())?.className).toMatch(/^stage/);
    expect(await focused(true)).toBe(document.body);
    window.dispatchEvent(new Event('pointerup'));
    // what has it keeps it
    find('auto').focus();
    window.dispatchEvent(new Event('focus'));
    await settled(20);
    expect(document.activeElement).toBe(find('auto'));
    find('view-heads').click();
    await settled(40);
    expect((await focused())?.closest('.view')).not.toBeNull();
  });

  it('goes back and forward with brackets, and clears with Escape', async () => {
    await show();
    const routes = find('twin').querySelectorAll<HTMLElement>('button.route');
    routes[0]?.click();
    routes[1]?.click();
    const second = find('inspector').dataset['selection'];
    const press = async (key: string, on: EventTarget = window): Promise<void> => {
      on.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
      await settled(20);
    };
    await settled(20);
    await press('[');
    expect(find('inspector').dataset['selection']).not.toBe(second);
    await press(']');
    await press('Escape', find('inspector'));
    expect(find('inspector').dataset['selection']).toBe('');
  });

  it('moves with the arrows and makes the column the target with t', async () => {
    await show();
    const stage = document.querySelector('.stage') as HTMLElement;
    const press = async (key: string): Promise<void> => {
      stage.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
      await settled(10);
    };
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowDown', 'Enter']) await press(key);
    expect(find('inspector').dataset['selection']).toBe('I2_6');
    await press('t');
    await settled();
    expect(text('inspector')).toContain('position 6');
    await settled(400);
    expect(host.remembered.at(-1)?.target).toBe(6);
    await press('/');
    expect(find('finder').tagName).toBe('INPUT');
  });

  it('restores what was seen before a reload', async () => {
    await show({}, { target: 5, threshold: 0.04, renormalize: false, ink: 'local', selection: 'attention:I1_2>A2_5' });
    expect((find('threshold-value') as HTMLInputElement).value).toBe('0.040');
    expect(find('renormalize').getAttribute('aria-pressed')).toBe('false');
    expect(find('ink-local').getAttribute('aria-pressed')).toBe('true');
    expect(find('inspector').dataset['selection']).toBe('attention:I1_2>A2_5');
  });
});
