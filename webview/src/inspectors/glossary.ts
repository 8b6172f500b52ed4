/** The words of the panel, each in a sentence: one name for one thing, here as everywhere. */

export const GLOSSARY = {
  token:
    'A piece of text that the model reads as one: a word, a part of one, a sign. · is a space, and ₁ ₂ number the same token.',
  position: 'The place of a token in the prompt, counted from 0.',
  'first token':
    'The token at position 0. Heads rest there when they look for nothing, so what it gives is often not about its text.',
  target: 'The position whose prediction is explained, and the output that is asked about there.',
  contrast: 'Another output: effects are then counted on the difference of the two logits.',
  logit:
    'The model’s score for an output. Softmax turns the scores into probabilities: one more makes an output 2.7 times as probable, against the others.',
  'residual stream': 'The vector at each position that every layer reads, and adds to.',
  'attention edge': 'What all heads of a layer carry from one position (the key) to another (the query).',
  head: 'One of the parallel parts of attention. It chooses positions to read (query and key) and what it carries (value, W_O).',
  'feed-forward block': 'The part of a layer that works on each position by itself, made of neurons or of experts.',
  neuron: 'One row of a feed-forward block’s output weights, and the activation that it is multiplied by.',
  expert: 'One of several feed-forward blocks, of which a router chooses a few at each position.',
  contribution:
    'The share of one part in the state that it is added to. It says what the state is made of, not what it is for.',
  threshold:
    'Parts that contribute no more are left out of the drawing. Auto leaves at most 60 edges between different tokens.',
  flow: 'The target has mass 1 and hands it down its kept parts by their weights. A reading aid, no causal claim.',
  effect:
    'The logit, or the difference to the contrast, less the same without a part. Measured: the model ran without it. Predicted: the gradient says so.',
  'knock-out':
    'A run without something: an edge set to zero, a block or head at its mean, a token that no later one can read.',
  share: 'The part of a token in the number that is asked about. Shares sum to that number; effects do not.',
  candidate: 'An edge that the gradient ranks high, though no route draws it.',
  'logit lens': 'A state, or what is added to it, read as if it were the last: the final norm, then the unembedding.',
  'Jacobian lens':
    'A state, or what is added to it, turned as later layers turn it on average, then read like the last: what it disposes the model to say at some point.',
  promotes: 'The outputs whose logits something raises most, by the lens that is chosen.',
  KL: 'How far the probabilities with and without something are apart, in nats. 0: not at all.',
  'adds up':
    'In every layer the parts sum to the whole within float precision; the figure is the largest relative error.',
} as const;

export type Term = keyof typeof GLOSSARY;

export const TERMS = Object.keys(GLOSSARY) as Term[];
