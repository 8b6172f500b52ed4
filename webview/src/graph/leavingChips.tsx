/** At the border of a graph that is wider than its place: where the edges that lead out of view go. */
import { useMemo } from 'preact/hooks';
import { isFold } from '../groups/grouping';
import { labelAt } from '../words/describe';
import { nodeName, nodeRef } from '../words/names';
import { ordinalAt } from '../words/repeats';
import { count } from '../words/words';
import type { Store } from '../store/state';
import { px } from './layout';
import { leavingEdges } from './leaving';
import type { Leaving } from './leaving';
import type { GraphView } from './view';

export function LeavingChips({ store, view }: { store: Store; view: GraphView }) {
  const [shown, frame, isWider] = [store.shown.value, view.frame.value, view.pannable.value];
  const chips = useMemo(() => (shown && frame && isWider ? leavingEdges(shown, frame) : []), [shown, frame, isWider]);
  if (!shown || !frame) return null;
  const { plot } = frame;
  const nameOf = ({ position }: Leaving): string =>
    isFold(shown.columns, shown.columns.of[position] ?? -1)
      ? 'a fold'
      : `${labelAt(shown.analysis, position)}${ordinalAt(shown.analysis, position)}`;
  return (
    <>
      {chips.map((chip) => {
        const name = nameOf(chip);
        const edges = `${count(chip.edges)} ${chip.edges === 1 ? 'edge leads' : 'edges lead'}`;
        const layer = chip.layer < 0 ? '' : ` L${chip.layer}`;
        const away = chip.side === 'left' ? 'before' : 'after';
        const place =
          chip.side === 'left' ? { left: px(plot.x) } : { right: `calc(100% - ${px(plot.x + plot.width)})` };
        return (
          <button
            key={`${chip.side} ${chip.position}`}
            type="button"
            tabIndex={0}
            class="leaving"
            data-testid={`leaving-${chip.position}`}
            aria-label={`${name}${layer}: ${edges} there, ${away} what is in view; show it`}
            title={`${edges} to ${name}, ${away} what is in view\nClick: show it`}
            style={{ ...place, top: px(chip.y - 9) }}
            // these keys would open what the graph's caret is on
            onKeyDown={(event) => (event.key === 'Enter' || event.key === ' ') && event.stopPropagation()}
            onClick={(event) => {
              // the chip goes when its edges are in view, and the keyboard stays in the graph
              event.currentTarget.closest<HTMLElement>('.stage')?.focus();
              view.reveal(nodeName(nodeRef('I', chip.layer, chip.position)));
            }}
          >
            {chip.side === 'left' && <span aria-hidden="true">←</span>}
            <bdi class="token">{name}</bdi>
            {layer && <span class="dim">{layer}</span>}
            {chip.side === 'right' && <span aria-hidden="true">→</span>}
          </button>
        );
      })}
    </>
  );
}
