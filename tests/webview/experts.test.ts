// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExpertParams, FfnExpertsParams, FfnNeuronsParams, NeuronParams } from '../../extension/shared/protocol';
import type { TokenScore, Update } from '../../extension/shared/protocol';
import type { Answer, Question, ViewState } from '../../extension/shared/webview';
import { mount } from '../../webview/src/mount';
import { FakeHost, analysisMessage } from './host';
import { all, answered, open, find, maybe, press, rows, selection, settled } from './panelDom';

const scores = (count: number): TokenScore[] =>
  Array.from({ length: count }, (_, k) => ({
    id: k,
    text: ` w${k}`,
    logit: 5 - k,
    probability: null,
    rankChange: null,
  }));
const update = (count: number): Update => ({ promoted: scores(count), suppressed: scores(count) });
const GATES = [0, 0.25, 0, 0.61, 0, 0, 0, 0.4];
let notice: string | null = null;

function answer({ method, params }: Question): Promise<Answer> {
  switch (method) {
    case 'lmTransparency/nodeTokens':
      return Promise.resolve({ node: 'M1_3', top: [], update: update(3), lens: 'logit' });
    case 'lmTransparency/ffnNeurons': {
      const { layer, position } = params as FfnNeuronsParams;
      return Promise.resolve({
        layer, position, nNeurons: 48, nContributing: 20, blockContribution: 0.2, neuronsTotal: 0.3, residual: 0.7,
        bias: 0, neurons: [{ neuron: 3, activation: 1, contribution: 0.1 }],
      }); // prettier-ignore
    }
    case 'lmTransparency/ffnExperts': {
      const { layer, position, topK } = params as FfnExpertsParams;
      return Promise.resolve({
        layer, position, nExperts: 8, scoring: 'softmax', blockContribution: 0.4, expertsTotal: 0.5, residual: 0.49,
        bias: 0.01, error: 2e-7, tolerance: 1e-4, notice, lens: 'logit',
        experts: [
          { expert: '5', gate: 0.61, contribution: 0.31, promoted: scores(topK ?? 0) },
          { expert: 'shared', gate: 1, contribution: 0.15, promoted: scores(topK ?? 0) },
          { expert: '2', gate: 0.39, contribution: 0.04, promoted: scores(topK ?? 0) },
        ],
        router: [
          { expert: 5, logit: 3.1, probability: 0.52, gate: 0.61 },
          { expert: 2, logit: 2.6, probability: 0.33, gate: 0.39 },
          { expert: 7, logit: 0.4, probability: 0.04, gate: 0 },
        ],
      }); // prettier-ignore
    }
    case 'lmTransparency/expert': {
      const { layer, expert, position } = params as ExpertParams;
      const gate = GATES[position] ?? 0;
      const neurons = gate > 0 ? [{ neuron: 17, activation: -1.5, contribution: 0.02 }] : [];
      return Promise.resolve({
        layer, expert, position, gate, contribution: gate / 2, update: update(gate > 0 ? 15 : 0), gates: GATES, nNeurons: 1408, nContributing: 700, neuronsTotal: 0.24,
        others: 0.33, residual: 0.42, bias: 0.01, error: 0, notice, neurons, lens: 'logit',
      }); // prettier-ignore
    }
    case 'lmTransparency/neuron': {
      const { layer, expert = null, neuron, position } = params as NeuronParams;
      return Promise.resolve({
        layer, position, share: { neuron, activation: -1.5, contribution: 0.02 }, update: update(15), expert, activations: GATES.map((gate) => -gate), lens: 'logit',
      }); // prettier-ignore
    }
    default:
      return new Promise(() => undefined);
  }
}

describe('a mixture of experts', () => {
  let host: FakeHost;
  let unmount: () => void;
  const show = async (view: Partial<ViewState>): Promise<void> => {
    host.say(analysisMessage({ nExperts: [0, 8, 8, 8] }, view));
    await settled();
    await answered();
  };
  beforeEach(async () => {
    notice = null;
    document.body.innerHTML = '<div id="app"></div>';
    host = new FakeHost();
    host.reply = answer;
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled(20);
  });
  afterEach(() => unmount());

  it('lists experts in place of neurons: contribution, gate, what they promote, what they sum to', async () => {
    await show({ selection: 'M1_3' });
    expect(rows('experts')).toEqual([
      '@50.310.61·w0·w1·w2·w3·w4',
      'shared0.151.00·w0·w1·w2·w3·w4',
      '@20.040.39·w0·w1·w2·w3·w4',
    ]);
    expect(find('expert-sum').textContent).toBe('3 experts together 0.5, residual 0.49, bias 0.01');
    expect(maybe('neurons')).toBeNull();
    expect(host.askedBy('lmTransparency/ffnNeurons')).toEqual([]);
    expect(host.askedBy('lmTransparency/ffnExperts')).toEqual([
      { layer: 1, position: 3, topK: 5, normalize: true, lens: 'logit', runId: expect.any(String) as string },
    ]);
    const [first] = all('[data-testid="experts"] button');
    expect(first?.title).toBe('expert 5: contribution 0.31, gate 0.61, promotes ·w0 ·w1 ·w2 ·w3 ·w4');
    expect(maybe('experts-notice')).toBeNull();
  });

  it('shows the router: who was chosen, who nearly was', async () => {
    await show({ selection: 'M1_3' });
    expect(rows('router')).toEqual(['@50.52chosen', '@20.33chosen', '@70.04']);
    const runnerUp = find('router').querySelector<HTMLElement>('[data-router="7"]');
    expect(runnerUp?.title).toBe('expert 7: softmax 0.04, logit +0.4, not chosen');
    expect(runnerUp?.className).toContain('faint');
    await open(runnerUp);
    expect(selection()).toBe('M1_3@7');
  });

  it('lists neurons in a layer without experts', async () => {
    await show({ selection: 'M0_3' });
    expect(maybe('experts')).toBeNull();
    expect(rows('neurons')).toEqual(['#30.11.00']);
  });

  it('says when the experts do not sum to the block', async () => {
    notice = 'The experts do not sum to what the block wrote.';
    await show({ selection: 'M1_3' });
    expect(find('experts-notice').textContent).toBe(notice);
    expect(find('experts-notice').getAttribute('role')).toBe('alert');
    await open(find('experts').querySelector<HTMLElement>('[data-expert="5"]'));
    expect(find('expert-notice').textContent).toBe(notice);
  });

  it('opens an expert, then a neuron of it, and leads back by Escape to the rows', async () => {
    await show({ selection: 'M1_3' });
    await open(find('experts').querySelector<HTMLElement>('[data-expert="5"]'));
    expect(selection()).toBe('M1_3@5');
    expect(find('inspector').querySelector('h2')?.textContent).toContain('expert 5 at');
    expect(find('expert-gate').textContent).toBe('0.61');
    expect([rows('expert-promoted').length, rows('expert-suppressed').length]).toEqual([8, 8]);
    expect(find('neuron-sum').textContent).toBe(
      '1,408 neurons together 0.24, other experts 0.33, residual 0.42, bias 0.01',
    );
    await open(find('neurons').querySelector<HTMLElement>('[data-neuron="17"]'));
    expect(selection()).toBe('M1_3@5#17');
    expect(host.askedBy('lmTransparency/neuron')).toEqual([
      expect.objectContaining({ layer: 1, position: 3, expert: '5', neuron: 17 }),
    ]);
    expect(find('inspector').querySelector('h2')?.textContent).toContain('#17 of expert 5 at');
    find('inspector').querySelector<HTMLElement>('.kind button')?.focus();
    await press('Escape');
    expect(selection()).toBe('M1_3@5');
    expect((document.activeElement as HTMLElement).dataset['neuron']).toBe('17');
    await press('Escape');
    expect(selection()).toBe('M1_3');
    expect((document.activeElement as HTMLElement).dataset['expert']).toBe('5');
    await press('Escape');
    expect(selection()).toBe('');
  });

  it('goes from a neuron to the expert it is in by its name', async () => {
    await show({ selection: 'M1_3@shared#4' });
    const link = all('.what button').find((button) => button.textContent === 'shared expert');
    await open(link);
    expect(selection()).toBe('M1_3@shared');
  });

  it('shows the gate at every token, and where the expert is not chosen nothing else', async () => {
    await show({ selection: 'M1_3@5' });
    const bars = all('[data-testid="expert-positions"] button');
    expect(bars).toHaveLength(8);
    expect(bars[3]?.getAttribute('aria-pressed')).toBe('true');
    expect(bars[1]?.getAttribute('aria-label')).toMatch(/ at position 1: gate 0\.25$/);
    await open(bars[2]);
    expect(selection()).toBe('M1_2@5');
    expect(find('inspector').textContent).toContain('not chosen at this token');
    expect(maybe('neurons')).toBeNull();
    await open(all('[data-testid="expert-positions"] button')[7]);
    expect(find('expert-gate').textContent).toBe('0.4');
  });
});
