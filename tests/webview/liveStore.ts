/** A store for each test, on a host that answers nothing until the test says so, with timers that the test moves. */
import { afterEach, beforeEach, vi } from 'vitest';
import { createStore } from '../../webview/src/store/state';
import { FakeHost } from './host';

export type Store = ReturnType<typeof createStore>;

/** Makes them before each test of the `describe`, or file, that this is called in; `use` is given them. */
export function useLiveStore<H extends FakeHost = FakeHost>(
  use: (host: H, store: Store) => void,
  newHost: () => H = () => new FakeHost() as H,
): void {
  let stop: () => void;
  beforeEach(() => {
    vi.useFakeTimers();
    const host = newHost();
    const store = createStore(host);
    stop = store.live();
    use(host, store);
  });
  afterEach(() => {
    stop();
    vi.useRealTimers();
  });
}
