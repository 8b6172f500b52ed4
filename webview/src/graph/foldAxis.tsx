/** Under the columns of a folded prompt: a sliver for each fold, a chat template's name, a bracket under what was unfolded. */
import { spanOf } from '../groups/words';
import { foldTitle, scaffoldName } from '../groups/foldWords';
import type { Analysis } from '../analysis/payload';
import { count } from '../words/words';
import { columnWidth, columnX, px } from './layout';
import type { Store } from '../store/state';
import type { Frame } from './layout';
import type { GraphView } from './view';

interface Props {
  store: Store;
  view: GraphView;
}

interface ColumnProps extends Props {
  analysis: Analysis;
  column: number;
  height: number;
}

/** From this width on a sliver has room for a line of text. */
const TEXT_LEAST = 8;

/** The number of tokens that a fold hides; a click unfolds them. */
export function FoldChip({ store, view, analysis, column, height }: ColumnProps) {
  const [first, end] = spanOf(view.columns.value, column);
  const frame = view.frame.value;
  const title = foldTitle(analysis, view.columns.value, column, store.folded.value, store.effects.value);
  return (
    <button
      type="button"
      tabIndex={-1}
      class="fold"
      data-testid={`fold-${first}`}
      aria-expanded={false}
      aria-label={`${title}: unfold`}
      title={`${title}\nClick: a column for each`}
      style={{ height: px(height) }}
      onClick={() => view.openGroup(first, true)}
    >
      {frame && columnWidth(frame, column) >= TEXT_LEAST && <span>{count(end - first)} tokens</span>}
    </button>
  );
}

/** What the chat template put around a message, by the role that it names; a click unfolds it. */
export function ScaffoldChip({ store, view, analysis, column, height }: ColumnProps) {
  const [first, end] = spanOf(view.columns.value, column);
  const name = scaffoldName(analysis, first, end);
  const title = foldTitle(analysis, view.columns.value, column, store.folded.value, store.effects.value);
  return (
    <button
      type="button"
      tabIndex={-1}
      class="chip template scaffold"
      data-testid={`scaffold-${first}`}
      aria-expanded={false}
      aria-label={`${name}, put in by the chat template, ${title}: unfold`}
      title={`${name}: put in by the chat template\n${title}\nClick: a column for each token`}
      style={{ height: px(height) }}
      onClick={() => view.openGroup(first, true)}
    >
      <bdi class="token">{name}</bdi>
    </button>
  );
}

/** A bracket under each stretch that was unfolded; a click folds it again. */
export function FoldBrackets({ store, view, frame, top }: Props & { frame: Frame; top: number }) {
  const { of } = view.columns.value;
  return (
    <>
      {store.unfolded.value
        .filter(([first, end]) => end <= of.length && first < end)
        .map(([first, end]) => {
          const left = columnX(frame, (of[first] ?? 0) - 0.5) - frame.x0 + 1;
          const width = columnX(frame, (of[end - 1] ?? 0) + 0.5) - frame.x0 - left - 1;
          const what = `${count(end - first)} ${end - first === 1 ? 'token was' : 'tokens were'} unfolded`;
          return (
            <button
              key={first}
              type="button"
              tabIndex={-1}
              class="group-line"
              data-testid={`refold-${first}`}
              aria-expanded={true}
              aria-label={`${what}: fold again`}
              title={`${what}\nClick: fold again`}
              style={{ left: px(left), width: px(width), top: px(top) }}
              onClick={() => view.openGroup(first, false)}
            />
          );
        })}
    </>
  );
}
