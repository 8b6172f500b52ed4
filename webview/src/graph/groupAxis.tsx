/** Under the columns of a grouped prompt: a chip for each group, and a line under the tokens of an open one. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { groupAt, sizeOf } from '../groups/grouping';
import { groupSpan, groupText, groupTitle } from '../groups/words';
import type { Analysis } from '../analysis/payload';
import { columnX, px } from './layout';
import type { Store } from '../store/state';
import type { Frame } from './layout';
import type { GraphView } from './view';

interface Props {
  store: Store;
  view: GraphView;
}

export function GroupChip({
  store,
  view,
  analysis,
  column,
  height,
}: Props & { analysis: Analysis; column: number; height: number }) {
  const columns = view.columns.value;
  const [first, end] = [columns.first[column]!, columns.first[column + 1]!];
  const current = store.editorPosition.value;
  const text = groupText(analysis, first, end);
  const names = ['chip', 'group'];
  if (current !== null && current >= first && current < end) names.push('current');
  return (
    <button
      type="button"
      tabIndex={-1}
      class={names.join(' ')}
      data-testid={`group-${first}`}
      aria-expanded={false}
      aria-label={`${text}, ${groupSpan(first, end)}: open`}
      title={`${groupTitle(analysis, first, end)}\nClick: a column for each token`}
      style={{ height: px(height) }}
      onClick={() => view.openGroup(first, true)}
    >
      <bdi class="token">{text}</bdi>
    </button>
  );
}

/** A line under the tokens of each open group in view; a click closes the group, but for those that are held. */
export function GroupLines({
  store,
  view,
  inView,
  frame,
  top,
}: Props & { inView: number[]; frame: Frame; top: number }) {
  const columns = view.columns.value;
  const groups = store.groups.value;
  const analysis = store.analysis.value;
  if (!groups || !analysis) return null;
  const open = new Set(
    inView.filter((column) => sizeOf(columns, column) === 1).map((column) => columns.group[column]!),
  );
  return (
    <>
      {[...open]
        .filter((group) => groups.first[group + 1]! - groups.first[group]! > 1)
        .map((group) => {
          const [first, end] = [groups.first[group]!, groups.first[group + 1]!];
          const left = columnX(frame, columns.of[first]! - 0.5) - frame.x0 + 1;
          const width = columnX(frame, columns.of[end - 1]! + 0.5) - frame.x0 - left - 1;
          const place = { left: px(left), width: px(width), top: px(top) };
          const title = groupTitle(analysis, first, end);
          if (store.heldGroups.value.has(group)) {
            const why = groupAt(groups, store.target.value) === group ? 'target' : 'selection';
            return (
              <span key={group} class="group-line held" title={`${title}\nOpen with the ${why} in it`} style={place} />
            );
          }
          return (
            <button
              key={group}
              type="button"
              tabIndex={-1}
              class="group-line"
              data-testid={`close-group-${first}`}
              aria-expanded={true}
              aria-label={`${title}: close`}
              title={`${title}\nClick: one column`}
              style={place}
              onClick={() => view.openGroup(first, false)}
            />
          );
        })}
    </>
  );
}
