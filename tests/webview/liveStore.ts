/** A store for each test, on a host that answers nothing until the test says so, with timers that the test moves. */
import { afterEach, beforeEach, vi } from 'vitest';
import { createStore } from '../../webview/src/store/state';
import { FakeHost } from './host';

export type Store = ReturnType<typeof createStore>;

/** Makes them before each test of the `describe`, or file, that this is called in; `use` is given them. */
export function useLiveStore(use: (host: FakeHost, store: Store) => void): void {
  let stop: () => void;
  beforeEach(() => {
    vi.useFakeTimers();
    const host = new FakeHost();
    const store = createStore(host);
    stop = store.live();
    use(host, store);
  });
  afterEach(() => {
    stop();
    vi.useRealTimers();
  });
}
