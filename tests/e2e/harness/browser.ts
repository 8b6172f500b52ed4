import { chromium, type Browser, type LaunchOptions } from 'playwright-core';
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

/** How a headless Chromium is started; `extraArguments` may hold `--enable-unsafe-swiftshader` where WebGL is wanted. */
export async function browserOptions(extraArguments: readonly string[] = []): Promise<LaunchOptions> {
  return {
    executablePath: await ensureBrowser(),
    args: ['--headless=new', ...chromiumArguments, ...extraArguments],
  };
}

export async function launchBrowser(extraArguments: readonly string[] = []): Promise<Browser> {
  return chromium.launch(await browserOptions(extraArguments));
}
