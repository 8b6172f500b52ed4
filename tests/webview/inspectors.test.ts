// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FfnNeuronsParams, NeuronParams, NodeTokensParams, TokenScore } from '../../extension/shared/protocol';
import type { Answer, Question, ViewState } from '../../extension/shared/webview';
import { mount } from '../../webview/src/mount';
import { TERMS } from '../../webview/src/inspectors/glossary';
import { FakeHost, analysisMessage } from './host';
import { all, answered, click, open, find, press, rows, selection, settled } from './panelDom';

const scores = (count: number, sign: 1 | -1 = 1): TokenScore[] =>
  Array.from({ length: count }, (_, k) => ({
    id: 100 + k,
    text: ` word${k}`,
    logit: sign * (12.345 - k / 10),
    probability: 0.5 / (k + 1),
    rankChange: k === 0 ? 4 : k === 1 ? -7 : 0,
  }));
const ACTIVATIONS = [0, 0.5, -2, 1, 0, 4, 0.25, -0.001];

function answer({ method, params }: Question): Promise<Answer> {
  switch (method) {
    case 'lmTransparency/nodeTokens': {
      const { node, topK = 0, updateK = 0 } = params as NodeTokensParams;
      const block = node.startsWith('M');
      return Promise.resolve({
        node, top: block ? [] : scores(topK), update: { promoted: scores(updateK), suppressed: scores(updateK, -1) },
        lens: 'logit',
      }); // prettier-ignore
    }
    case 'lmTransparency/ffnNeurons': {
      const { layer, position, topK = 0 } = params as FfnNeuronsParams;
      const neurons = Array.from({ length: topK }, (_, k) => {
        return { neuron: 200 - k, activation: k % 2 ? -1.5 : 2.25, contribution: 0.05 / (k + 1) };
      });
      return Promise.resolve({
        layer, position, neurons, nNeurons: 1536, nContributing: 700, blockContribution: 0.2, neuronsTotal: 0.31,
        residual: 0.69, bias: 0,
      }); // prettier-ignore
    }
    case 'lmTransparency/neuron': {
      const { layer, neuron, position, topK = 0 } = params as NeuronParams;
      return Promise.resolve({
        layer, position, share: { neuron, activation: ACTIVATIONS[position] ?? 0, contribution: 0.0123 },
        update: { promoted: scores(topK), suppressed: scores(topK, -1) }, activations: ACTIVATIONS, expert: null,
        lens: 'logit',
      }); // prettier-ignore
    }
    default:
      return new Promise(() => undefined);
  }
}

const more = (id: string): HTMLElement | null | undefined => find(id).parentElement?.querySelector('.more');

let host: FakeHost;
let unmount: () => void;
const show = async (view: Partial<ViewState>): Promise<void> => {
  host.say(analysisMessage({}, view));
  await settled();
  await answered();
};

const EDGE = 'attention:I2_1>A3_7';

describe('the inspected thing', () => {
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    host = new FakeHost();
    host.reply = answer;
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled(20);
  });
  afterEach(() => unmount());

  it('is read from its top, but for another head of the same edge', async () => {
    await show({ selection: 'I1_1' });
    const side = find('inspector').closest('.side') as HTMLElement;
    side.scrollTop = 120;
    host.say(analysisMessage({}, { selection: EDGE }));
    await settled();
    expect(side.scrollTop).toBe(0);
    side.scrollTop = 120;
    find('heads').querySelector<HTMLElement>('button[data-head]')?.click();
    await settled();
    expect(find('inspector').dataset['selection']).toContain(`${EDGE}#`);
    expect(side.scrollTop).toBe(120);
  });

  describe('a residual node', () => {
    it('shows ten of thirty tokens with probability, logit and ranks gained and lost', async () => {
      await show({ selection: 'I1_1' });
      expect(rows('top-tokens')).toHaveLength(10);
      expect(rows('top-tokens').slice(0, 3)).toEqual(['·word0↑450%', '·word1↓725%', '·word217%']);
      expect(find('top-tokens').querySelector('button')?.title).toMatch(
        /50%, logit 12\.35, up 4 against the node before/,
      );
      await open(more('top-tokens'));
      expect(rows('top-tokens')).toHaveLength(30);
      expect(more('top-tokens')?.getAttribute('aria-expanded')).toBe('true');
      for (const id of ['promoted', 'suppressed']) {
        expect(rows(id)).toHaveLength(8);
        await open(more(id));
        expect(rows(id)).toHaveLength(15);
      }
      expect(rows('suppressed')[0]).toBe('·word0−12.3');
      expect(host.askedBy('lmTransparency/nodeTokens')).toEqual([
        { node: 'I1_1', topK: 30, updateK: 15, normalize: true, lens: 'logit', runId: expect.any(String) as string },
      ]);
    });

    it('is asked without the final norm by the switch, and with it from memory', async () => {
      await show({ selection: 'I1_1' });
      await open(find('norm-toggle'));
      expect(find('norm-toggle').getAttribute('aria-pressed')).toBe('false');
      const normalized = (): unknown[] =>
        host.askedBy('lmTransparency/nodeTokens').map((params) => (params as NodeTokensParams).normalize);
      expect(normalized()).toEqual([true, false]);
      await open(find('norm-toggle'));
      expect(normalized()).toEqual([true, false]);
    });

    it('keeps no number of another node while it asks', async () => {
      await show({ selection: 'I1_1' });
      host.reply = () => new Promise(() => undefined);
      find('made-of').querySelector('button')?.click();
      await settled(40);
      expect(selection()).not.toBe('I1_1');
      expect(all('[data-testid="top-tokens"]')).toHaveLength(0);
    });

    it('lets a token be followed, from any list, until it is clicked again', async () => {
      await show({ selection: 'I1_1' });
      const pressed = (id: string): boolean[] =>
        all(`[data-testid="${id}"] button`).map((row) => row.getAttribute('aria-pressed') === 'true');
      await open(all('[data-testid="promoted"] button')[2]);
      expect(pressed('promoted').indexOf(true)).toBe(2);
      expect(pressed('top-tokens').indexOf(true)).toBe(2);
      await open(all('[data-testid="top-tokens"] button')[2]);
      expect(pressed('promoted')).not.toContain(true);
    });
  });

  describe('a feed-forward block', () => {
    it('shows its twenty neurons and what they sum to, and opens one', async () => {
      await show({ selection: 'M2_5' });
      expect(host.askedBy('lmTransparency/ffnNeurons')).toEqual([
        { layer: 2, position: 5, topK: 20, runId: expect.any(String) as string },
      ]);
      expect(rows('neurons')).toHaveLength(20);
      expect(rows('neurons').slice(0, 2)).toEqual(['#2000.052.25', '#1990.025−1.50']);
      expect(find('neuron-sum').textContent).toBe('1,536 neurons together 0.31, residual 0.69, bias 0');
      expect(rows('promoted')).toHaveLength(8);
      await open(find('neurons').querySelector<HTMLElement>('[data-neuron="199"]'));
      expect(selection()).toBe('M2_5#199');
    });

    it('opens for its edge too', async () => {
      await show({ selection: 'ffn:M2_5>I2_5' });
      expect(rows('neurons')).toHaveLength(20);
      expect(find('edge-figures').textContent).toMatch(/contribution [\d.]+ of the residual after the layer/);
    });

    it('says why there are no neurons', async () => {
      host.reply = () => Promise.reject(new Error('The run has expired.'));
      await show({ selection: 'M2_5' });
      expect(find('inspector').textContent).toContain('The run has expired.');
    });
  });

  describe('a neuron', () => {
    it('shows activation, contribution and both lists', async () => {
      await show({ selection: 'M2_5#831' });
      expect(find('neuron-activation').textContent).toBe('4.00');
      expect(find('inspector').textContent).toContain('contribution 0.012 of the residual');
      expect([rows('neuron-promoted').length, rows('neuron-suppressed').length]).toEqual([8, 8]);
      const help = find('help-neuron');
      expect(help.title).toMatch(/sign of the activation is taken into account/);
      await open(help);
      const terms = () => all('[data-testid=help] dt').map((term) => term.textContent);
      expect(terms()).toEqual(['neuron', 'promotes']);
      const [more, docs] = all('[data-testid=help] .link');
      await click(more);
      expect(terms().slice(0, 2)).toEqual(['neuron', 'promotes']);
      expect(new Set(terms())).toEqual(new Set(TERMS));
      expect(terms()).toHaveLength(TERMS.length);
      await click(docs);
      expect(host.told).toContainEqual({ type: 'openDocs', address: 'inspectors#neuron' });
      await press('Escape', help);
      expect(all('[data-testid=help]')).toEqual([]);
      // the selection stays
      expect(find('neuron-activation').textContent).toBe('4.00');
    });

    it('draws a bar a token, down where it is negative, and moves to that token', async () => {
      await show({ selection: 'M2_5#831' });
      const bars = all('[data-testid="neuron-positions"] button');
      expect(bars).toHaveLength(8);
      expect(bars.map((bar) => bar.querySelector('.negative') !== null)).toEqual(ACTIVATIONS.map((value) => value < 0));
      const height = (at: number): number =>
        Number.parseFloat(bars[at]?.querySelector<HTMLElement>('.bar')?.style.height ?? '');
      expect(height(5)).toBeCloseTo((4 / 6) * 100, 3);
      expect(height(2)).toBeCloseTo((2 / 6) * 100, 3);
      expect(bars.findIndex((bar) => bar.getAttribute('aria-pressed') === 'true')).toBe(5);
      bars[5]?.focus();
      for (let i = 0; i < 3; i++) await press('ArrowLeft');
      expect((document.activeElement as HTMLElement).dataset['position']).toBe('2');
      await open(document.activeElement as HTMLElement);
      expect(selection()).toBe('M2_2#831');
      expect(find('neuron-activation').textContent).toBe('−2.00');
      expect(find('inspector').textContent).toContain('the opposite of its output vector');
    });
  });

  describe('the model', () => {
    it('opens as a selection and lists its facts', async () => {
      await show({ selection: 'model' });
      const fact = (key: string): string | undefined =>
        find('model-facts').querySelector(`[data-fact="${key}"]`)?.textContent ?? undefined;
      expect([fact('nLayers'), fact('nHeads'), fact('dFfn'), fact('dtype'), fact('nVocab')]).toEqual([
        '4',
        '9',
        '256',
        'float32 (fp32)',
        '1,000 tokens',
      ]);
      for (const action of ['selectModel', 'selectDevice', 'selectDtype', 'unloadModel'] as const) {
        await open(find('inspector').querySelector<HTMLElement>(`[data-action="${action}"]`));
        expect(host.toldOf('action').at(-1)).toEqual({ type: 'action', action });
      }
    });
  });

  describe('lists', () => {
    it('are copied and saved whole, also with c', async () => {
      await show({ selection: 'I1_1' });
      await open(find('copy-top-tokens'));
      const lines = host.toldOf('copy').at(-1)?.text.trimEnd().split('\n') ?? [];
      expect(lines[0]).toBe('rank\tid\ttoken\tlogit\tprobability\trank_change');
      expect(lines).toHaveLength(31);
      expect(lines[2]?.split('\t').slice(0, 3)).toEqual(['1', '101', ' word1']);
      await open(find('save-top-tokens'));
      expect(host.toldOf('save').at(-1)).toMatchObject({ name: 'top-tokens-I1_1.csv', encoding: 'utf8' });
      find('made-of').querySelector('button')?.focus();
      await press('c');
      expect(host.toldOf('copy').at(-1)?.text).toMatch(/^kind\tsource\tsource_token\t/);
      expect(host.toldOf('copy')).toHaveLength(2);
    });
  });

  describe('by keyboard', () => {
    const stops = (): string[] =>
      all('.side button, .side input')
        .filter((element) => element.tabIndex === 0)
        .map((element) => element.dataset['testid'] ?? element.getAttribute('aria-label') ?? element.textContent ?? '');

    it('the header comes first and is one stop for its ways and one for its tokens', async () => {
      await show({ selection: 'I1_1' });
      expect(stops().slice(0, 3)).toEqual(['Back', expect.stringContaining('·'), 'help-top-tokens']);
      find('inspector').querySelector<HTMLElement>('.kind button')?.focus();
      const way: (string | null)[] = [];
      for (let i = 0; i < 3; i++) {
        await press('ArrowRight');
        way.push(document.activeElement?.getAttribute('aria-label') ?? null);
      }
      expect(way).toEqual(['Forward', 'Pin', 'Clear the selection']);
    });

    it('Escape leads from the neuron to its row, from the block to the graph', async () => {
      await show({ selection: 'M2_5' });
      await open(find('neurons').querySelector<HTMLElement>('[data-neuron="198"]'));
      expect(find('inspector').contains(document.activeElement)).toBe(true);
      await press('Escape');
      expect(selection()).toBe('M2_5');
      expect((document.activeElement as HTMLElement).dataset['neuron']).toBe('198');
      await press('Escape');
      expect(selection()).toBe('');
      expect(document.activeElement?.className).toContain('stage');
      expect(find('hint').textContent).toMatch(/Click.*Enter.*Double-click.*\/ finds/s);
    });
  });
});
