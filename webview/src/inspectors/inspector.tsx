/** What is selected, in words first. With nothing selected: the target and what it predicts. */
import { parseEdge, parseNode } from '../names';
import type { Store } from '../state';
import { EdgeInspector } from './edge';
import { NodeInspector } from './node';
import { TargetInspector } from './target';

export function Inspector({ store }: { store: Store }) {
  const name = store.selection.value;
  const edge = name ? parseEdge(name) : null;
  const node = name ? parseNode(name) : null;
  return (
    <div
      class="inspector"
      data-testid="inspector"
      data-selection={name ?? ''}
      onKeyDown={(event) => stepBack(event, store)}
    >
      {edge ? (
        <EdgeInspector store={store} edge={edge} />
      ) : node ? (
        <NodeInspector store={store} node={node} />
      ) : (
        <TargetInspector store={store} />
      )}
    </div>
  );
}

/** What kind of thing it is, and the way through selections. */
export function Kind({ store, children }: { store: Store; children: string }) {
  const { at, entries } = store.history.value;
  const inHistory = store.selection.value !== null;
  return (
    <div class="kind">
      <span>{children}</span>
      <span class="spring" />
      <button
        type="button"
        class="icon"
        tabIndex={-1}
        title="Back ( [ )"
        aria-label="Back"
        disabled={at <= 0}
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
        disabled={at >= entries.length - 1}
        onClick={() => store.travel(1)}
      >
        ›
      </button>
      <button
        type="button"
        class="icon"
        tabIndex={-1}
        title="Clear the selection (Escape)"
        aria-label="Clear the selection"
        disabled={!inHistory}
        onClick={() => store.select(null)}
      >
        ×
      </button>
    </div>
  );
}

function stepBack(event: KeyboardEvent, store: Store): void {
  if (event.key !== 'Escape' || store.selection.value === null) return;
  event.preventDefault();
  store.select(null);
  document.querySelector<HTMLElement>('.stage')?.focus();
}
