/** SYNTHETIC answers to the view's questions: the development page has no model. */
import type { RouterScore, TokenScore, Update } from '../../extension/shared/protocol';
import type { Answer, Question } from '../../extension/shared/webview';
import { ATTENTION } from './attention';
import { EFFECTS } from './effects';
import { randomNumbers, sizes } from './numbers';
import type { Answers } from './numbers';
import { VIEWS } from './views';

const WORDS = [' Mary', ' her', ' the', ' John', '\n', ' Maria', ' Marie', ' it', ' Marian', ' a', ' them'];

function scores(most: number, random: () => number, count = WORDS.length): TokenScore[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    text: WORDS[id % WORDS.length] ?? '',
    logit: most * (1 - id / (count + 1)),
    probability: 0.6 * 0.5 ** id,
    rankChange: Math.round((random() - 0.4) * 30),
  }));
}

const NOTHING: Update = { promoted: [], suppressed: [] };

function updateOf(most: number, least: number, random: () => number, count: number): Update {
  return { promoted: scores(most, random, count), suppressed: scores(least, random, count) };
}

const N_EXPERTS = 16;
const UNSURE =
  'The experts do not sum to what the block wrote: they are off by 2.0e-02 of its norm (tolerance 1e-04). Their shares cannot be trusted; the block as one part can.';

/** The router's output at one position: two chosen experts and the next five. */
function routerAt(layer: number, position: number): RouterScore[] {
  const own = randomNumbers(layer * 991 + position * 13 + 1);
  const logits = Array.from({ length: N_EXPERTS }, () => (own() - 0.5) * 9);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const all = logits.map((logit, expert) => ({ expert, logit, probability: Math.exp(logit) / total, gate: 0 }));
  const sorted = all.sort((a, b) => b.logit - a.logit).slice(0, 7);
  const both = (sorted[0]?.probability ?? 0) + (sorted[1]?.probability ?? 0);
  return sorted.map((entry, k) => ({ ...entry, gate: k < 2 ? entry.probability / both : 0 }));
}

const ANSWERS: Answers = {
  ...ATTENTION,
  ...VIEWS,
  ...EFFECTS,
  'lmTransparency/nodeTokens': ({ node, topK = 30, updateK = 15, lens = 'logit' }, random) => {
    const top = node.startsWith('M') ? [] : scores(18, random, topK);
    const update = node.startsWith('X') ? NOTHING : updateOf(9.1, -3.2, random, updateK);
    return { node, top, update, lens };
  },

  'lmTransparency/promoted': ({ units, topK = 3, lens = 'logit' }, random) => ({
    units: units.map((unit) => {
      const first = Math.floor(random() * WORDS.length);
      const promoted = scores(9, random, WORDS.length + topK).slice(first, first + topK);
      return { unit, promoted };
    }),
    lens,
  }),

  'lmTransparency/ffnNeurons': ({ layer, position, topK = 20 }, random) => {
    const neurons = Array.from({ length: topK }, (_, k) => ({
      neuron: Math.floor(random() * 1536),
      activation: (random() < 0.35 ? -1 : 1) * (0.4 + 6 * random()),
      contribution: 0.041 * 0.86 ** k,
    }));
    return {
      layer, position, neurons, nNeurons: 1536, nContributing: 803, blockContribution: 0.22,
      neuronsTotal: 0.31, residual: 0.69, bias: 0,
    }; // prettier-ignore
  },

  'lmTransparency/ffnExperts': ({ layer, position, topK = 5, lens = 'logit' }) => {
    const router = routerAt(layer, position);
    const shares = [0.17, 0.31, 0.044];
    const chosen = router.filter(({ gate }) => gate > 0).map(({ expert, gate }) => ({ expert: `${expert}`, gate }));
    const experts = [...chosen, { expert: 'shared', gate: 0.62 }].map((entry, k) => ({
      ...entry,
      contribution: shares[k % 3] ?? 0,
      promoted: scores(4, randomNumbers(layer * 97 + position * 7 + k), topK + k).slice(k),
    }));
    return {
      layer, position, nExperts: N_EXPERTS, scoring: 'softmax', blockContribution: 0.43, expertsTotal: 0.524,
      residual: 0.476, bias: 0, error: 2.4e-7, tolerance: 1e-4,
      notice: new URLSearchParams(location.search).has('unsure') ? UNSURE : null,
      experts: experts.sort((a, b) => b.contribution - a.contribution), router, lens,
    }; // prettier-ignore
  },

  'lmTransparency/expert': ({ layer, expert, position, topK = 15, neuronsK = 20, lens = 'logit' }, random) => {
    const gates = Array.from({ length: sizes.nTokens }, (_, at) =>
      expert === 'shared'
        ? 0.4 + 0.3 * randomNumbers(layer * 31 + at)()
        : (routerAt(layer, at).find((entry) => `${entry.expert}` === expert)?.gate ?? 0),
    );
    const gate = gates[position] ?? 0;
    const neurons = Array.from({ length: gate > 0 ? neuronsK : 0 }, (_, k) => ({
      neuron: Math.floor(random() * 1408),
      activation: (random() < 0.35 ? -1 : 1) * (0.4 + 6 * random()),
      contribution: 0.03 * 0.86 ** k,
    }));
    return {
      layer, expert, position, gate, contribution: gate > 0 ? 0.17 : 0, gates, neurons,
      update: gate > 0 ? updateOf(5.1, -3.4, random, topK) : NOTHING,
      nNeurons: 1408, nContributing: 702, neuronsTotal: 0.24, others: 0.33, residual: 0.43, bias: 0, error: 3e-7,
      notice: null, lens,
    }; // prettier-ignore
  },

  'lmTransparency/neuron': ({ layer, neuron, position, topK = 15, expert = null, lens = 'logit' }) => {
    // the same at every position: only what is asked about differs
    const own = randomNumbers(layer * 1536 + neuron + 1);
    const activations = Array.from({ length: sizes.nTokens }, () => (own() - 0.3) * 8 * own() ** 2);
    const activation = activations[position] ?? 0;
    const sign = activation < 0 ? -1 : 1;
    return {
      layer, position, share: { neuron, activation, contribution: 0.02 * own() }, activations, expert, lens,
      update: updateOf(sign > 0 ? 2.4 : 0.9, sign > 0 ? -0.9 : -2.4, own, topK),
    }; // prettier-ignore
  },
};

export function syntheticAnswer(question: Question): Answer {
  const text = JSON.stringify(question);
  const seed = [...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7);
  const make = ANSWERS[question.method] as ((params: unknown, random: () => number) => Answer) | undefined;
  if (!make) throw new Error(`This page has no answer to ${question.method}.`);
  return make(question.params, randomNumbers(seed));
}
