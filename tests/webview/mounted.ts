/** The panel on a host of the test's own, mounted before each test and gone after it. */
import { afterEach, beforeEach } from 'vitest';
import { mount } from '../../webview/src/mount';
import { FakeHost } from './host';
import { settled } from './panelDom';

/** For each test of the `describe`, or file, that this is called in; `use` is given the host. */
export function useMounted(use: (host: FakeHost) => void): void {
  let unmount: () => void;
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    const host = new FakeHost();
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    use(host);
    await settled(20);
  });
  afterEach(() => unmount());
}
