/** How evenly a head spreads its attention over a row. */
import { useReply } from '../store/ask';
import type { Store } from '../store/state';

interface Props {
  store: Store;
  layer: number;
  head: number;
  query: number;
}

/** "entropy 1.32 of 3.81 bits"; nothing until it is known. */
export function RowEntropy({ store, layer, head, query }: Props) {
  const reply = useReply(store, 'lmTransparency/headEntropy', { layer, query });
  const bits = reply?.state === 'known' ? reply.result.entropy[head] : undefined;
  if (reply?.state !== 'known' || bits === undefined) return null;
  return (
    <span title="−Σ α · log₂ α over the keys of this row: 0 where one key has all attention, the most where all have the same">
      , entropy <b data-testid="why-entropy">{bits.toFixed(2)}</b> of {reply.result.most.toFixed(2)} bits
    </span>
  );
}
