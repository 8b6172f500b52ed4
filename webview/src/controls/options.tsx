/** How edges are kept and inked, and the heat in the editor; folds into a small menu where the panel is narrow. */
import { GROUPINGS } from '../../../extension/shared/webview';
import { unitText } from '../groups/words';
import type { Store } from '../store/state';
import { usePopup } from './popup';

export function Options({ store }: { store: Store }) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLSpanElement>();
  const flow = store.ink.value === 'flow';
  const heat = store.heat.value;
  return (
    <span ref={anchor} class="options" role="group" aria-label="Drawing" onKeyDown={onKeyDown}>
      <button
        type="button"
        tabIndex={-1}
        class="quiet more"
        data-testid="more-options"
        aria-expanded={open.value}
        aria-label="Drawing options"
        title="How edges are kept and drawn"
        onClick={() => (open.value = !open.value)}
      >
        ⋯
      </button>
      <span ref={popup} class={`folded${open.value ? ' open' : ''}`}>
        <button
          type="button"
          tabIndex={-1}
          class={`quiet${store.renormalize.value ? ' on' : ''}`}
          data-testid="renormalize"
          aria-pressed={store.renormalize.value}
          title="Drop every part at or below the threshold and rescale the rest of each row to sum to 1"
          onClick={() => (store.renormalize.value = !store.renormalize.value)}
        >
          Renormalize
        </button>
        <span class="switch" role="group" aria-label="Ink">
          <button
            type="button"
            tabIndex={-1}
            class={`quiet${flow ? ' on' : ''}`}
            data-testid="ink-flow"
            aria-pressed={flow}
            title="Width and opacity: flow into the target"
            onClick={() => (store.ink.value = 'flow')}
          >
            Flow
          </button>
          <button
            type="button"
            tabIndex={-1}
            class={`quiet${flow ? '' : ' on'}`}
            data-testid="ink-local"
            aria-pressed={!flow}
            title="Width and opacity: local contribution"
            onClick={() => (store.ink.value = 'local')}
          >
            Local
          </button>
        </span>
        <GroupingChoice store={store} />
        {store.inEditor && (
          <button
            type="button"
            tabIndex={-1}
            class={`quiet${heat ? ' on' : ''}`}
            data-testid="heat"
            aria-pressed={heat}
            title="Show the flow that arrives at each token as heat on the prompt's text in the editor"
            onClick={() => (store.heat.value = !heat)}
          >
            Heat
          </button>
        )}
      </span>
    </span>
  );
}

/** Prompts of no more tokens than this are shorter than any choice about them. */
const CHOICE_FROM = 64;

/** How the tokens of a long prompt share columns. */
function GroupingChoice({ store }: { store: Store }) {
  const groups = store.groups.value;
  const nTokens = store.analysis.value?.meta.tokens.length ?? 0;
  if (!groups || nTokens <= CHOICE_FROM) return null;
  return (
    <select
      class="grouping"
      tabIndex={-1}
      data-testid="grouping"
      aria-label="Columns"
      title="What gets its own column: each token, or a group of tokens that opens with a click"
      value={store.grouping.value}
      onChange={(event) => {
        const chosen = GROUPINGS.find((grouping) => grouping === event.currentTarget.value);
        if (chosen) store.setGrouping(chosen);
      }}
    >
      {GROUPINGS.map((grouping) => (
        <option key={grouping} value={grouping}>
          {grouping === 'auto' ? `auto: ${unitText(store.autoUnit.value)}` : unitText(grouping)}
        </option>
      ))}
    </select>
  );
}
