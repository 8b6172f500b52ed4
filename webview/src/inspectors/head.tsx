/** One head at one query: why it looks where it looks, and what it writes there. */
import type { HeadResult } from '../../../extension/shared/protocol';
import { useLatest } from '../store/ask';
import { attentionEdgeName, withDetail } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Store } from '../store/state';
import { NormToggle, UpdateLists } from './lens';
import { NoAnswer, Waiting } from './parts';
import { shownIn } from './shown';
import { Why } from './why';

interface Props {
  store: Store;
  analysis: Analysis;
  layer: number;
  head: number;
  query: number;
  position: number;
}

export function HeadDetails({ store, analysis, layer, head, query, position }: Props) {
  const asked = { layer, head, query, key: position, topK: 15, keysK: 10, ...store.lenses.reading.value };
  const { reply, latest } = useLatest(store, 'lmTransparency/head', asked);
  const title = 'Why this edge?';
  if (reply?.state === 'failed') return <NoAnswer store={store} title={title} message={reply.message} />;
  if (!latest) return <Waiting title={title} />;
  const edge = attentionEdgeName(layer, query, position, analysis.meta.model.parallel);
  return (
    <div class={reply?.state === 'known' ? '' : 'stale'} aria-busy={reply?.state !== 'known'}>
      <Why store={store} analysis={analysis} result={latest} />
      <Writes store={store} edge={withDetail(edge, head)} result={latest} />
    </div>
  );
}

/** The head's contribution to the logits, summed over all keys or for this key alone. */
function Writes({ store, edge, result }: { store: Store; edge: string; result: HeadResult }) {
  const { partOnly } = shownIn(store);
  const part = partOnly.value;
  const aside = (
    <div class="written">
      <span class="plain-note">written by head {result.head}</span>
      <span class="spring" />
      <button
        type="button"
        class={`quiet small${part ? ' on' : ''}`}
        data-testid="part-only"
        aria-pressed={part}
        title="Only what comes from this key, α · v · W_O; otherwise all that the head writes at the query, the sum over its keys"
        onClick={() => (partOnly.value = !part)}
      >
        this edge only
      </button>
      <NormToggle store={store} />
    </div>
  );
  return (
    <UpdateLists store={store} of={edge} update={part ? result.part : result.update} prefix="head-" aside={aside} />
  );
}
