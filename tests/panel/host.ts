// The panel's page in a browser tab, in the place of the extension: its questions go to a real backend.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import type { FromWebview, Notice, ToWebview, ViewState } from '../../extension/shared/webview.ts';
import { panelHtml } from '../../extension/src/panel/html.ts';
import { repositoryRoot } from '../../scripts/host/paths.mjs';
import type { Backend } from './backend.ts';
import { look, type Look, type ThemeName } from './themes.ts';

const ORIGIN = 'http://panel.test';
const FILES = { '/main.js': 'text/javascript', '/main.css': 'text/css' } as const;
const dist = join(repositoryRoot, 'webview', 'dist');

/** The title, theme, size and view of a panel. */
export interface PanelOptions {
  title?: string;
  theme?: ThemeName;
  viewport?: { width: number; height: number };
  view?: Partial<ViewState> | null;
}

declare global {
  interface Window {
    hostHears(message: FromWebview): Promise<void>;
  }
}

/** A panel's page, and the notices it has sent. */
export class PanelHost {
  readonly told: Notice[] = [];
  #shown: ToWebview | null = null;
  #isReady = false;

  private constructor(
    readonly page: Page,
    private readonly backend: Backend,
  ) {}

  /** Opens an empty panel. */
  static async open(context: BrowserContext, backend: Backend, { theme = 'dark' }: PanelOptions): Promise<PanelHost> {
    const page = await context.newPage();
    const host = new PanelHost(page, backend);
    await page.exposeFunction('hostHears', (message: FromWebview) => host.#hear(message));
    await page.addInitScript(() => {
      const api = {
        postMessage: (message: FromWebview) => void window.hostHears(message),
        getState: () => undefined,
        setState: () => undefined,
      };
      Object.assign(window, { acquireVsCodeApi: () => api });
    });
    await page.route(`${ORIGIN}/**`, (route) => {
      const name = new URL(route.request().url()).pathname;
      if (name === '/') return route.fulfill({ contentType: 'text/html', body: themed(theme) });
      const contentType = FILES[name as keyof typeof FILES];
      return contentType ? route.fulfill({ contentType, path: join(dist, name) }) : route.abort();
    });
    await page.goto(ORIGIN);
    return host;
  }

  /** Analyzes a prompt and shows it; resolves when it is drawn. */
  async analyze(params: object, { title = 'ioi.prompt', view = null }: PanelOptions = {}): Promise<void> {
    const { runId, payload } = await this.backend.analyze(params);
    await this.#show(runId, payload, title, view);
    await this.page.locator(`[data-testid=panel][data-state=ready][data-run="${runId}"]`).waitFor();
  }

  /** Says something to the page, as the extension would. */
  async say(message: ToWebview): Promise<void> {
    await this.page.evaluate((given) => {
      const { payload } = given as { payload?: unknown };
      const bytes = typeof payload === 'string' && Uint8Array.from(atob(payload), (char) => char.charCodeAt(0)).buffer;
      window.postMessage(bytes ? { ...given, payload: bytes } : given, '*');
    }, message);
  }

  /** Changes the colours, as another theme of the window does. */
  setTheme(theme: ThemeName): Promise<void> {
    return this.page.evaluate(applied, look(theme));
  }

  /** The last notice of a type; undefined where there is none. */
  last<Type extends Notice['type']>(type: Type): Extract<Notice, { type: Type }> | undefined {
    return this.told.findLast((notice) => notice.type === type) as Extract<Notice, { type: Type }> | undefined;
  }

  async #show(runId: string, payload: string, title: string, view: Partial<ViewState> | null): Promise<void> {
    // bytes travel to the page as base64
    this.#shown = { type: 'analysis', runId, title, payload: payload as unknown as ArrayBuffer, view };
    if (this.#isReady) await this.say(this.#shown);
  }

  async #hear(message: FromWebview): Promise<void> {
    switch (message.type) {
      case 'ready':
        this.#isReady = true;
        if (this.#shown) await this.say(this.#shown);
        return;
      case 'ask': {
        const { id, question } = message;
        const answer = await this.backend.request(question.method, question.params).then(
          (result) => ({ answer: result, error: null }),
          (error: Error) => ({ answer: null, error: error.message }),
        );
        return this.say({ type: 'answer', id, ...answer } as ToWebview);
      }
      case 'giveUp':
      case 'remember':
        return;
      default:
        this.told.push(message);
    }
  }
}

/** In the page: what VS Code writes into a webview of that theme. */
function applied({ variables, bodyClass }: Look): void {
  // of the theme before nothing stays
  document.documentElement.removeAttribute('style');
  for (const [name, value] of Object.entries(variables)) document.documentElement.style.setProperty(name, value);
  document.body.className = bodyClass;
}

/** The page that the extension writes, in the colours of a theme. */
function themed(theme: ThemeName): string {
  const files = { cspSource: ORIGIN, script: `${ORIGIN}/main.js`, style: `${ORIGIN}/main.css` };
  const nonce = 'panel';
  const script = `<script nonce="${nonce}">(${applied.toString()})(${JSON.stringify(look(theme))})</script>`;
  return panelHtml(files, nonce).replace('<div id="root">', `${script}<div id="root">`);
}

/** Whether the webview is built. */
export function requireBuilt(): void {
  try {
    readFileSync(join(dist, 'main.js'));
  } catch {
    throw new Error('webview/dist/main.js is missing: run `make webview`');
  }
}
