/** One line over a graph with folds: how much of the prompt they hide, and how it comes back. */
import type { Folded } from '../groups/foldWords';
import { count } from '../words/words';
import type { Store } from '../store/state';
import type { GraphView } from './view';

export function FoldLine({ store, view }: { store: Store; view: GraphView }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  const folded = store.folded.value;
  if (!analysis || !routes || !folded || !store.foldable.value) return null;
  const all = store.grouping.value === 'token';
  if (!all && store.grouping.value !== 'auto') return null;
  const toggle = (): void => void view.changeColumns(store.unfoldAll);
  return (
    <div class="fold-line" data-testid="fold-line">
      <span role="status">
        {count(analysis.meta.tokens.length)} tokens{all ? ', a column for each' : inWords(folded, routes.crossEdges)}
      </span>
      <button type="button" class="link" data-testid="unfold-all" aria-pressed={all} onClick={toggle}>
        <kbd>u</kbd> {all ? 'folds what carries nothing' : 'unfolds all'}
      </button>
      {!all && folded.tokens > 0 && <span class="moves">click a fold to open it</span>}
    </div>
  );
}

/** ": 949 that carry nothing are folded"; where there is no room for all carriers, with how many edges. */
function inWords({ tokens, edges }: Folded, ofEdges: number): string {
  if (tokens === 0) return ', the chat template is folded';
  if (edges === 0) return `: ${count(tokens)} that carry nothing are folded`;
  return `: ${count(tokens)} that carry least are folded, with ${count(edges)} of ${count(ofEdges)} edges`;
}
