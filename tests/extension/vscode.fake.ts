/** As much of `vscode` as the unit tests touch. What needs more is tested in the real VS Code (tests/e2e). */

export class Disposable {
  constructor(private readonly end: () => void) {}
  static from(...all: { dispose(): void }[]): Disposable {
    return new Disposable(() => all.forEach((one) => one.dispose()));
  }
  dispose(): void {
    this.end();
  }
}

export class EventEmitter<T> {
  readonly #listeners = new Set<(value: T) => void>();
  readonly event = (listener: (value: T) => void): Disposable => {
    this.#listeners.add(listener);
    return new Disposable(() => this.#listeners.delete(listener));
  };
  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}

export class Uri {
  private constructor(
    readonly scheme: string,
    readonly path: string,
  ) {}
  static parse(text: string): Uri {
    const colon = text.indexOf(':');
    return new Uri(text.slice(0, colon), text.slice(colon + 1).replace(/^\/\//, ''));
  }
  static file(path: string): Uri {
    return new Uri('file', path);
  }
  static joinPath(base: Uri, ...parts: string[]): Uri {
    return new Uri(base.scheme, [base.path, ...parts].join('/'));
  }
  get fsPath(): string {
    return this.path;
  }
  toString(): string {
    return `${this.scheme}://${this.path}`;
  }
}

export const ViewColumn = { Active: -1, Beside: -2, One: 1, Two: 2 } as const;

/** A webview panel that records what it was sent and lets a test speak as the page. */
export class FakeWebviewPanel {
  readonly sent: unknown[] = [];
  readonly #messages = new EventEmitter<unknown>();
  readonly #disposed = new EventEmitter<void>();
  title = '';
  visible = true;
  active = false;
  viewColumn = 2;
  iconPath: unknown;
  revealed = 0;
  readonly webview = {
    options: {} as unknown,
    html: '',
    cspSource: 'https://csp.example',
    asWebviewUri: (uri: Uri) => Uri.parse(`https://webview.example${uri.path}`),
    onDidReceiveMessage: this.#messages.event,
    postMessage: (message: unknown) => {
      this.sent.push(message);
      return Promise.resolve(true);
    },
  };
  readonly onDidDispose = this.#disposed.event;
  reveal(): void {
    this.revealed += 1;
  }
  says(message: unknown): void {
    this.#messages.fire(message);
  }
  dispose(): void {
    this.#disposed.fire();
  }
}

export const createdPanels: FakeWebviewPanel[] = [];

export const window = {
  activeTextEditor: undefined,
  tabGroups: { all: [{}] },
  createWebviewPanel: (_type: string, title: string) => {
    const panel = new FakeWebviewPanel();
    panel.title = title;
    createdPanels.push(panel);
    return panel;
  },
};

/** The commands that were run, with their arguments. */
export const executed: unknown[][] = [];

export const commands = {
  executeCommand: async (...command: unknown[]) => void executed.push(command),
};

export const workspace = {
  getConfiguration: () => ({ get: () => undefined }),
};
