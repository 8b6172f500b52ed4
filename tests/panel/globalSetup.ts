// One browser and one backend for all files of a run; the backend has loaded the model before the first file asks.
import { mkdtempSync, rmSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { TestProject } from 'vitest/node';
import { browserOptions } from '../e2e/harness/browser.ts';
import { Backend } from './backend.ts';
import { requireBuilt } from './host.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the browser is met. */
    browser: string;
    /** The folder that the backend is met in. */
    runtime: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  requireBuilt();
  // short: a socket's path may have 103 characters
  const runtime = mkdtempSync('/tmp/lmt-panel-');
  const [browser, backend] = await Promise.all([
    browserOptions().then((options) => chromium.launchServer(options)),
    Backend.join(runtime),
  ]);
  project.provide('browser', browser.wsEndpoint());
  project.provide('runtime', runtime);
  return async () => {
    await browser.close();
    await backend.leave();
    process.kill(backend.processId, 'SIGTERM');
    rmSync(runtime, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
}
