import { render } from 'preact';
import { Panel } from './app';
import type { Host } from './host';
import { createStore } from './state';

/** Draws the panel into an element; returns how to take it away. */
export function mount(root: HTMLElement, host: Host): () => void {
  const store = createStore(host);
  render(<Panel store={store} host={host} />, root);
  const stop = store.live();
  return () => {
    stop();
    render(null, root);
  };
}
