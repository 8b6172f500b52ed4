/** The kind of the inspected thing, and the history of selections: one tab stop. */
import { useContext } from 'preact/hooks';
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import { PinButton, PlaceContext } from './pin';

export function Kind({ store, children }: { store: Store; children: string }) {
  const { pinned } = useContext(PlaceContext);
  return (
    <div class="kind" role="toolbar" aria-label={pinned ? `pinned: ${children}` : children} onKeyDown={roving}>
      <span>{children}</span>
      <span class="spring" />
      {pinned ? <PinButton store={store} tabIndex={0} /> : <Ways store={store} />}
    </div>
  );
}

/** Buttons that lead nowhere now stay in place, so that the keyboard is not thrown off them. */
function Ways({ store }: { store: Store }) {
  const { at, entries } = store.history.value;
  return (
    <>
      <button
        type="button"
        class="icon"
        title="Back ( [ )"
        aria-label="Back"
        aria-disabled={at <= 0}
        onClick={() => store.travel(-1)}
      >
        ‹
      </button>
      <button
        type="button"
        class="icon"
        tabIndex={-1}
        title="Forward ( ] )"
        aria-label="Forward"
        aria-disabled={at >= entries.length - 1}
        onClick={() => store.travel(1)}
      >
        ›
      </button>
      <PinButton store={store} tabIndex={-1} />
      <button
        type="button"
        class="icon"
        tabIndex={-1}
        title="Clear the selection (Escape)"
        aria-label="Clear the selection"
        aria-disabled={store.selection.value === null}
        onClick={() => store.select(null)}
      >
        ×
      </button>
    </>
  );
}
