/** SYNTHETIC answers to what the view asks a backend: the development page has no model. */
import type { Inspections, NodeKind, TokenScore } from '../../extension/shared/protocol';
import type { Answer, Method, Question } from '../../extension/shared/webview';
import { randomNumbers } from './synthetic';

type Answers = { [M in Method]?: (params: Inspections[M]['params'], random: () => number) => Inspections[M]['result'] };

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
};

export function syntheticAnswer(question: Question): Answer {
  const text = JSON.stringify(question);
  const seed = [...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7);
  const make = ANSWERS[question.method] as ((params: unknown, random: () => number) => Answer) | undefined;
  if (!make) throw new Error(`This page has no answer to ${question.method}.`);
  return make(question.params, randomNumbers(seed));
}
