// What every test file would ask for is found out, or started, once in a run: the browser, the model, and a code-server
// for each worker, whose files come one after the other.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright-core';
import type { TestProject } from 'vitest/node';
import { browserOptions } from './harness/browser.ts';
import { embeddedModel, firstLayers, startShared, type Product } from './product.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the browser is met. */
    browser: string;
    /** Where a worker gets the address of its code-server. */
    servers: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  embeddedModel();
  firstLayers();
  const browser = await chromium.launchServer(await browserOptions());
  const started = new Map<string, Promise<Product>>();
  const desk = await giveOut((worker) => {
    const server = started.get(worker) ?? startShared();
    started.set(worker, server);
    return server;
  });
  project.provide('browser', browser.wsEndpoint());
  project.provide('servers', `http://127.0.0.1:${(desk.address() as AddressInfo).port}`);
  return async () => {
    desk.close();
    await browser.close();
    const ended = await Promise.allSettled(started.values());
    await Promise.all(ended.map((server) => server.status === 'fulfilled' && server.value.stop()));
  };
}

/** Answers the path `/WORKER` with what is started for it, as JSON. */
function giveOut(serverFor: (worker: string) => Promise<Product>): Promise<Server> {
  const desk = createServer((request, response) => {
    void serverFor(request.url ?? '/').then(
      (server) => response.end(JSON.stringify(server)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  return new Promise((resolve) => desk.listen(0, '127.0.0.1', () => resolve(desk)));
}
