/** A pinned inspector stays while the next selection opens beside it. */
import { createContext } from 'preact';
import type { ComponentChildren } from 'preact';
import { useContext } from 'preact/hooks';
import { figureAt } from '../effects/table';
import { inWords } from '../words/describe';
import type { Store } from '../store/state';

interface Place {
  /** The selection that is inspected here. */
  name: string | null;
  pinned: boolean;
}

/** The place of an inspector. */
export const PlaceContext = createContext<Place>({ name: null, pinned: false });

export function PinButton({ store, tabIndex }: { store: Store; tabIndex: number }) {
  const { name, pinned } = useContext(PlaceContext);
  if (pinned) {
    return (
      <button
        type="button"
        class="icon on"
        tabIndex={tabIndex}
        data-testid="unpin"
        title="Unpin"
        aria-label="Unpin"
        onClick={() => (store.pinned.value = null)}
      >
        ⊙
      </button>
    );
  }
  const possible = name !== null && name !== store.pinned.value;
  return (
    <button
      type="button"
      class="icon"
      tabIndex={tabIndex}
      data-testid="pin"
      title="Pin: keep this beside the next selection"
      aria-label="Pin"
      aria-disabled={!possible}
      onClick={() => possible && (store.pinned.value = name)}
    >
      ⊙
    </button>
  );
}

/** The place of the pinned inspector: first, and scrolling by itself. */
export function Pinned({ store, name, children }: { store: Store; name: string; children: ComponentChildren }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  const effect = figureAt(store.causes.known.value, name);
  const words = analysis && routes ? inWords(analysis, routes, name, effect) : name;
  const unpin = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    store.pinned.value = null;
  };
  return (
    <div
      class="inspector pinned"
      data-testid="pinned"
      data-selection={name}
      role="group"
      aria-label={`Pinned: ${words}`}
      onKeyDown={unpin}
    >
      <PlaceContext.Provider value={{ name, pinned: true }}>{children}</PlaceContext.Provider>
    </div>
  );
}
