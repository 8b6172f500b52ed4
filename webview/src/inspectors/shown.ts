/** How the reader wants attention shown: kept while the panel lives, through all selections. */
import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { Store } from '../store/state';

export interface Shown {
  /**
   * The edge whose heads are all shown together. A selection without a head means its strongest head, except for this
   * edge: choosing a head, or another edge in the graph, shows a single head again.
   */
  allHeads: Signal<string | null>;
  /** Ink of the maps by logarithm. */
  logarithmic: Signal<boolean>;
  /** Each map as wide as the inspector. */
  enlarged: Signal<boolean>;
  /** The thumbnails of the layer are open. */
  layerMaps: Signal<boolean>;
  layerMapsOf: Signal<'attention' | 'contribution'>;
  /** What the head writes from this key alone, instead of from all. */
  partOnly: Signal<boolean>;
  /** The keyboard is wanted in the box of “why not”, which takes it and clears this. */
  whyNot: Signal<boolean>;
  /** The unit whose knock-out is open. */
  knockedOut: Signal<string | null>;
  /** The unit whose knock-out was opened or closed by a button that had the keyboard: its other button takes it. */
  turned: Signal<string | null>;
}

const kept = new WeakMap<Store, Shown>();

export function shownIn(store: Store): Shown {
  const found = kept.get(store);
  if (found) return found;
  const made: Shown = {
    allHeads: signal(null),
    logarithmic: signal(false),
    enlarged: signal(false),
    layerMaps: signal(false),
    layerMapsOf: signal('contribution'),
    partOnly: signal(false),
    whyNot: signal(false),
    knockedOut: signal(null),
    turned: signal(null),
  };
  kept.set(store, made);
  return made;
}
