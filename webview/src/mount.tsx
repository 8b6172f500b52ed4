import { effect } from '@preact/signals';
import { render } from 'preact';
import { Panel } from './app';
import type { Host } from './hosts/host';
import { createStore } from './store/state';
import type { Store } from './store/state';

/** Draws the panel into an element; returns how to take it away. */
export function mount(root: HTMLElement, host: Host): () => void {
  const store = createStore(host);
  render(<Panel store={store} host={host} />, root);
  const stop = store.live();
  const stopAhead = layOutAhead(store, root);
  return () => {
    stop();
    stopAhead();
    render(null, root);
  };
}

/**
 * Lays a new analysis out in the task that brings it, after the components, which are drawn in a microtask. The frame
 * that paints it is the editor's as well: a key that is pressed meanwhile waits for the longer one, not for both. In a
 * task of its own it would come after the frame.
 */
function layOutAhead(store: Store, root: HTMLElement): () => void {
  return effect(() => {
    if (store.analysis.value) queueMicrotask(() => queueMicrotask(() => root.getBoundingClientRect()));
  });
}
