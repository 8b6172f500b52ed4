/** How the numbers of a list are computed: a sentence, the words for it, and the page that says more. */
import type { RefObject } from 'preact';
import { useSignal } from '@preact/signals';
import { usePopup } from '../controls/popup';
import type { Store } from '../store/state';
import { GLOSSARY, TERMS } from './glossary';
import type { Term } from './glossary';

/** By heading of docs/inspectors.md. */
export const HOW = {
  predictions: 'Softmax of the logits at this position, as the model computed them in the recorded pass.',
  contrast:
    'The logit lens at the target position, of the target and the contrast: their logits after each layer, and which layers change the difference.',
  'top-tokens':
    'The residual state by the lens that is chosen, through the final norm and the unembedding, then softmax. ↑n and ↓n: ranks gained or lost against the node before.',
  'promoted-and-suppressed':
    'What is written into the residual here, read as if it were a state: by the lens that is chosen, the final norm (unless switched off), then the unembedding. Its largest and its smallest logits.',
  'made-of':
    'Contribution of each part: max(0, ‖y‖₁ − ‖y − x‖₁) over the sum of that for all parts x of the state y. Parts sum to 1.',
  feeds:
    'Flow on each kept edge out of this node: the mass that the target hands down, shared by weight. A reading aid.',
  edge: 'Contribution: max(0, ‖y‖₁ − ‖y − x‖₁) over the sum of that for all parts of the state y. Flow: mass handed down from the target.',
  heads:
    'What each head carries from the key to the query, α · v · W_O, as a part of the residual after attention. Heads sum to the edge.',
  maps: 'Attention: softmax of the scores, rows sum to 1. Contribution: the share of each α · v · W_O in the residual after attention.',
  'why-this-edge':
    'The score that softmax sees: query · key, scaled, with the mask’s bias; and the keys of the same row that contribute most.',
  'feed-forward-block':
    'Contribution of the whole block as one part of the residual after the layer: max(0, ‖y‖₁ − ‖y − x‖₁) over the sum of that for all parts.',
  neurons:
    'Each neuron is a part of its own here: activation · W_out. All neurons, the residual and the bias sum to 1; what points the other way gets 0.',
  neuron:
    'activation · W_out through the unembedding: the sign of the activation is taken into account, a negative one turns the lists round.',
  activation:
    'What multiplies the neuron’s row of W_out, at every position of the prompt; of a gated block, gate times up.',
  experts:
    'Each active expert is a part of its own here: gate · expert(x). All of them, the residual and the bias sum to 1; what points the other way gets 0.',
  router:
    'What the router gives each expert at this position, the chosen ones first, then those that were nearest to it.',
  expert:
    'What the expert writes at this position, with its gate, through the unembedding; each of its neurons as a part of its own.',
  gate: 'What the expert is multiplied by at every position of the prompt; nothing where it is not chosen.',
  effect:
    'Effect: the number that is asked about (a logit, or the difference to the contrast) in the clean run, less the same in a run without this. Positive supports the target.',
  'knock-out':
    'A real run without this: everything after it is computed again. The most probable outputs before and after.',
  'effects-by-kind':
    'Measured: a real run without the part, everything after it computed again. Predicted: the gradient times the part. Kinds do not compare, and single effects do not add up.',
  model: 'As loaded: sizes from the configuration, parameters counted, memory of parameters and buffers.',
  lens: 'Every layer and position by the lens that is chosen: the most probable token and its probability.',
  'head-overview': 'Contributions of each head, summed over the kept edges of the current routes.',
  'strongest-routes':
    'The kept attention edges between different tokens, by flow: the mass handed down from the target.',
} as const;

export type HelpTopic = keyof typeof HOW;

/** The words that the numbers under a heading are about. */
const WORDS: Record<HelpTopic, readonly Term[]> = {
  predictions: ['target', 'logit', 'contrast'],
  contrast: ['contrast', 'logit', 'logit lens'],
  'top-tokens': ['logit lens', 'Jacobian lens', 'residual stream'],
  'promoted-and-suppressed': ['promotes', 'logit lens', 'Jacobian lens'],
  'made-of': ['contribution', 'residual stream', 'attention edge', 'feed-forward block'],
  feeds: ['flow', 'threshold'],
  edge: ['attention edge', 'contribution', 'flow'],
  heads: ['head', 'contribution', 'promotes', 'first token'],
  maps: ['attention edge', 'contribution'],
  'why-this-edge': ['head', 'attention edge', 'contribution'],
  'feed-forward-block': ['feed-forward block', 'contribution'],
  neurons: ['neuron', 'contribution', 'promotes'],
  neuron: ['neuron', 'promotes'],
  activation: ['neuron'],
  experts: ['expert', 'contribution', 'promotes'],
  router: ['expert'],
  expert: ['expert', 'promotes'],
  gate: ['expert'],
  effect: ['effect', 'logit', 'contrast', 'share'],
  'knock-out': ['knock-out', 'effect', 'KL'],
  'effects-by-kind': ['effect', 'share', 'candidate', 'knock-out'],
  model: ['adds up', 'residual stream'],
  lens: ['logit lens', 'Jacobian lens', 'residual stream'],
  'head-overview': ['head', 'flow', 'first token'],
  'strongest-routes': ['flow', 'threshold', 'attention edge'],
};

/** A quiet question mark: how it is computed on hover; a click opens that, the words for it, and the way to the documentation. */
export function HelpMark({ store, topic }: { store: Store; topic: HelpTopic }) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLDivElement>();
  const isOpen = open.value;
  return (
    <span ref={anchor} class="menu-anchor" onKeyDown={onKeyDown}>
      <button
        type="button"
        class="tool"
        data-testid={`help-${topic}`}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        title={`${HOW[topic]} Click for the words`}
        aria-label={`How is this computed? ${HOW[topic]}`}
        onClick={() => (open.value = !isOpen)}
      >
        ?
      </button>
      {isOpen && <Help store={store} topic={topic} popup={popup} />}
    </span>
  );
}

interface HelpProps {
  store: Store;
  topic: HelpTopic;
  popup: RefObject<HTMLDivElement | null>;
}

function Help({ store, topic, popup }: HelpProps) {
  const all = useSignal(false);
  const own = WORDS[topic];
  const terms = all.value ? [...own, ...TERMS.filter((term) => !own.includes(term))] : own;
  return (
    <div ref={popup} class="menu help" role="dialog" aria-label="How is this computed?" data-testid="help">
      <p>{HOW[topic]}</p>
      <dl tabIndex={all.value ? 0 : undefined} aria-label="Words">
        {terms.map((term) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{GLOSSARY[term]}</dd>
          </div>
        ))}
      </dl>
      <span class="links">
        <button type="button" class="link" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? 'Fewer words' : 'All words'}
        </button>
        <button
          type="button"
          class="link"
          onClick={() => store.tell({ type: 'openDocs', address: `inspectors#${topic}` })}
        >
          More in the documentation
        </button>
      </span>
    </div>
  );
}
