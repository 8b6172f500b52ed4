/** SYNTHETIC answers to what the view asks a backend: the development page has no model. */
import type { Inspections, NodeKind, TokenScore } from '../../extension/shared/protocol';
import type { Answer, Method, Question } from '../../extension/shared/webview';
import { ATTENTION } from './attention';
import { randomNumbers } from './synthetic';
import { VIEWS } from './views';

/** The size of what the page shows: set by the page. */
export const sizes = { nLayers: 30, nTokens: 15, nHeads: 9 };

export type Answers = {
  [M in Method]?: (params: Inspections[M]['params'], random: () => number) => Inspections[M]['result'];
};

const WORDS = [' Mary', ' her', ' the', ' John', '\n', ' Maria', ' Marie', ' it', ' Marian', ' a', ' them'];
const KINDS: Record<string, NodeKind> = { X: 'embedding', A: 'attention', M: 'ffn', I: 'residual' };

function scores(most: number, random: () => number, count = WORDS.length): TokenScore[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    text: WORDS[id % WORDS.length] ?? '',
    logit: most * (1 - id / (count + 1)),
    probability: 0.6 * 0.5 ** id,
    rankChange: Math.round((random() - 0.4) * 30),
  }));
}

const ANSWERS: Answers = {
  ...ATTENTION,
  ...VIEWS,
  'lmTransparency/nodeTokens': ({ node, topK = 30, updateK = 15 }, random) => {
    const kind = KINDS[node[0] ?? 'I'] ?? 'residual';
    const has = kind !== 'embedding';
    return {
      node, kind, layer: 0, position: 0,
      top: kind === 'ffn' ? [] : scores(18, random, topK),
      promoted: has ? scores(9.1, random, updateK) : [],
      suppressed: has ? scores(-3.2, random, updateK) : [],
    }; // prettier-ignore
  },

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

  'lmTransparency/neuron': ({ layer, neuron, position, topK = 15 }) => {
    // the same at every position: only what is asked about differs
    const own = randomNumbers(layer * 1536 + neuron + 1);
    const activations = Array.from({ length: sizes.nTokens }, () => (own() - 0.3) * 8 * own() ** 2);
    const activation = activations[position] ?? 0;
    const sign = activation < 0 ? -1 : 1;
    return {
      layer, neuron, position, activation, contribution: 0.02 * own(), activations,
      promoted: scores(sign > 0 ? 2.4 : 0.9, own, topK), suppressed: scores(sign > 0 ? -0.9 : -2.4, own, topK),
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
