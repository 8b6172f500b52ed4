import { chromium, type Browser } from 'playwright-core';
import { ensureBrowser } from '../../../scripts/host/browser.mjs';

const chromiumArguments = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // No test may come to depend on the network: every other host name is unknown to this browser.
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

/** Starts a headless Chromium; `extraArguments` may hold `--enable-unsafe-swiftshader` where WebGL is wanted. */
export async function launchBrowser(extraArguments: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: await ensureBrowser(),
    args: ['--headless=new', ...chromiumArguments, ...extraArguments],
  });
}
