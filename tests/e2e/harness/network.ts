import type { BrowserContext, Page, Request } from 'playwright-core';

const localHosts = new Set(['127.0.0.1', 'localhost', '[::1]']);
// A name that the workbench's service worker answers itself: nothing leaves the machine.
const webviewResourceSuffix = '.vscode-resource.vscode-cdn.net';

/** Records every request of the page's browser context that leaves this machine; tests assert that the list is empty. */
export function guardNetwork(page: Page): readonly string[] {
  const outside: string[] = [];
  const record = (url: string) => {
    if (leavesTheMachine(url)) outside.push(url);
  };
  const context: BrowserContext = page.context();
  context.on('request', (request: Request) => record(request.url()));
  const watchSockets = (opened: Page) => opened.on('websocket', (socket) => record(socket.url()));
  context.pages().forEach(watchSockets);
  context.on('page', watchSockets);
  return outside;
}

/** Whether a request to this address would go to another machine. */
export function leavesTheMachine(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(protocol)) return false;
  return !localHosts.has(hostname) && !hostname.endsWith(webviewResourceSuffix);
}
