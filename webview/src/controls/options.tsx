/** How edges are kept and inked, and the heat in the editor; folds into a small menu where the panel is narrow. */
import { GROUPINGS } from '../../../extension/shared/webview';
import { unitText } from '../groups/words';
import type { Ink } from '../routes/headTotals';
import type { Store } from '../store/state';
import { usePopup } from './popup';

export function Options({ store }: { store: Store }) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLSpanElement>();
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
        <InkSwitch store={store} />
        <GroupingChoice store={store} />
        {store.inEditor && (
          <button
            type="button"
            tabIndex={-1}
            class={`quiet${heat ? ' on' : ''}`}
            data-testid="heat"
            aria-pressed={heat}
            title={`Show ${heatOf(store)} as heat on the prompt's text in the editor`}
            onClick={() => (store.heat.value = !heat)}
          >
            Heat
          </button>
        )}
      </span>
    </span>
  );
}

const INKS: readonly { ink: Ink; label: string; title: string }[] = [
  { ink: 'flow', label: 'Flow', title: 'Width and opacity: flow into the target' },
  {
    ink: 'effect',
    label: 'Effect',
    title: 'Width and colour: how much the target loses when the edge is taken out, measured or predicted',
  },
  { ink: 'local', label: 'Local', title: 'Width and opacity: local contribution' },
];

function InkSwitch({ store }: { store: Store }) {
  const chosen = store.ink.value;
  // a recording has the effects that were kept with it, or none
  const missing = store.recording && store.causes.known.value === null;
  return (
    <span class="switch" role="group" aria-label="Ink">
      {INKS.map(({ ink, label, title }) => (
        <button
          key={ink}
          type="button"
          tabIndex={-1}
          class={`quiet${chosen === ink ? ' on' : ''}`}
          data-testid={`ink-${ink}`}
          aria-pressed={chosen === ink}
          title={ink === 'effect' && missing ? 'No effects were kept with this recording' : title}
          disabled={ink === 'effect' && missing}
          onClick={() => (store.ink.value = ink)}
        >
          {label}
        </button>
      ))}
    </span>
  );
}

const heatOf = (store: Store): string =>
  store.ink.value === 'effect' && store.effects.value
    ? 'the size of each token’s effect'
    : 'the flow that arrives at each token';

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
          {grouping === 'auto' ? `auto: ${store.foldable.value ? 'folded' : 'tokens'}` : unitText(grouping)}
        </option>
      ))}
    </select>
  );
}
