import path from 'node:path';

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
    readonly fragment = '',
  ) {}
  static parse(text: string): Uri {
    const colon = text.indexOf(':');
    return new Uri(text.slice(0, colon), text.slice(colon + 1).replace(/^\/\//, ''));
  }
  static file(path: string): Uri {
    return new Uri('file', path);
  }
  static joinPath(base: Uri, ...parts: string[]): Uri {
    return new Uri(base.scheme, path.posix.normalize([base.path, ...parts].join('/')));
  }
  with({ fragment }: { fragment: string }): Uri {
    return new Uri(this.scheme, this.path, fragment);
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
  revealedIn: number | undefined;
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
  reveal(column?: number): void {
    this.revealed += 1;
    this.revealedIn = column;
  }
  says(message: unknown): void {
    this.#messages.fire(message);
  }
  dispose(): void {
    this.#disposed.fire();
  }
}

export const createdPanels: FakeWebviewPanel[] = [];

export class TabInputText {
  constructor(readonly uri: Uri) {}
}

export class TabInputWebview {
  constructor(readonly viewType: string) {}
}

export class TabInputCustom extends TabInputText {}

export class ThemeColor {
  constructor(readonly id: string) {}
}

export class ThemeIcon extends ThemeColor {}

export class TreeItem {
  constructor(
    readonly label: string,
    readonly collapsibleState: number,
  ) {}
}

export const TreeItemCollapsibleState = { None: 0, Collapsed: 1, Expanded: 2 } as const;

export class RelativePattern {
  constructor(
    readonly base: Uri,
    readonly pattern: string,
  ) {}
}

export class CancellationError extends Error {}

export class Range {
  constructor(
    readonly start: unknown,
    readonly end: unknown,
  ) {}
}

export class MarkdownString {
  value = '';
  appendText(text: string): this {
    this.value += text;
    return this;
  }
  appendMarkdown(text: string): this {
    return this.appendText(text);
  }
}

export const ColorThemeKind = { Light: 1, Dark: 2, HighContrast: 3, HighContrastLight: 4 } as const;
export const ProgressLocation = { Notification: 15 } as const;
export const OverviewRulerLane = { Center: 2 } as const;
export const DecorationRangeBehavior = { ClosedClosed: 1 } as const;
export const TextEditorRevealType = { InCenterIfOutsideViewport: 2 } as const;
export const QuickPickItemKind = { Separator: -1, Default: 0 } as const;
export const ConfigurationTarget = { Global: 1, Workspace: 2 } as const;

export class Selection {
  constructor(
    readonly start: number,
    readonly end: number,
  ) {}
  get active(): number {
    return this.end;
  }
}

export class CancellationTokenSource {
  readonly token = { isCancellationRequested: false, onCancellationRequested: () => new Disposable(() => undefined) };
  cancel(): void {
    this.token.isCancellationRequested = true;
  }
  dispose(): void {}
}

interface Item {
  label: string;
}

/** A quick pick that a test types into and accepts. */
export class FakeQuickPick {
  items: Item[] = [];
  activeItems: Item[] = [];
  selectedItems: Item[] = [];
  title = '';
  placeholder = '';
  value = '';
  busy = false;
  isDisposed = false;
  readonly #typed = new EventEmitter<string>();
  readonly #accepted = new EventEmitter<void>();
  readonly #hidden = new EventEmitter<void>();
  readonly onDidChangeValue = this.#typed.event;
  readonly onDidAccept = this.#accepted.event;
  readonly onDidHide = this.#hidden.event;
  show(): void {
    quickPicks.push(this);
  }
  hide(): void {
    this.#hidden.fire();
  }
  dispose(): void {
    this.isDisposed = true;
  }
  types(text: string): void {
    this.value = text;
    this.#typed.fire(text);
  }
  accepts(label: string): void {
    this.selectedItems = this.items.filter((item) => item.label === label);
    if (this.selectedItems.length !== 1) throw new Error(`"${label}" is not offered`);
    this.#accepted.fire();
  }
}

export const quickPicks: FakeQuickPick[] = [];

/** Insertions that are to be made together; offsets are positions here. */
export class WorkspaceEdit {
  readonly inserts: { at: number; text: string }[] = [];
  insert(_uri: Uri, at: number, text: string): void {
    this.inserts.push({ at, text });
  }
}

export const EndOfLine = { LF: 1, CRLF: 2 } as const;

/** What happens in the editor, for a test to fire. */
export const happens = {
  edit: new EventEmitter<unknown>(),
  cursor: new EventEmitter<unknown>(),
  editors: new EventEmitter<unknown>(),
  theme: new EventEmitter<unknown>(),
  configuration: new EventEmitter<{ affectsConfiguration(section: string): boolean }>(),
  opened: new EventEmitter<unknown>(),
  folders: new EventEmitter<unknown>(),
  /** Another program wrote a file. */
  files: new EventEmitter<unknown>(),
  closed: new EventEmitter<unknown>(),
};

/** What the user was shown and answers next. */
export const shown = {
  errors: [] as string[],
  information: [] as string[],
  /** Questions that had to be answered, and what the next ones are answered with, in turn. */
  warnings: [] as { text: string; modal: boolean; detail: string; offered: string[] }[],
  answers: [] as (string | undefined)[],
  /** Settings of this machine, and of the workspace. */
  machine: {} as Record<string, unknown>,
  workspace: {} as Record<string, unknown>,
  status: [] as string[],
  saveDialogs: [] as { defaultUri: Uri; filters: unknown }[],
  saveAs: undefined as Uri | undefined,
  /** The label that the next list of choices is answered with. */
  choice: '',
  settings: {} as Record<string, unknown>,
  clipboard: '',
  /** What the next box is answered with. */
  typed: undefined as string | undefined,
};

export class FakeStatusBarItem {
  text = '';
  isShown = false;
  show(): void {
    this.isShown = true;
  }
  hide(): void {
    this.isShown = false;
  }
  dispose(): void {}
}

export const statusBarItems: FakeStatusBarItem[] = [];

export const StatusBarAlignment = { Left: 1, Right: 2 } as const;

export const window = {
  activeTextEditor: undefined,
  activeColorTheme: { kind: 2 as number },
  visibleTextEditors: [] as unknown[],
  tabGroups: { all: [{}] },
  createWebviewPanel: (_type: string, title: string) => {
    const panel = new FakeWebviewPanel();
    panel.title = title;
    createdPanels.push(panel);
    return panel;
  },
  createTextEditorDecorationType: (options: object) => ({ options, isDisposed: false, dispose() { this.isDisposed = true; } }), // prettier-ignore
  onDidChangeTextEditorSelection: happens.cursor.event,
  onDidChangeVisibleTextEditors: happens.editors.event,
  onDidChangeActiveColorTheme: happens.theme.event,
  onDidChangeActiveTextEditor: happens.editors.event,
  createStatusBarItem: () => {
    const item = new FakeStatusBarItem();
    statusBarItems.push(item);
    return item;
  },
  showErrorMessage: async (text: string) => void shown.errors.push(text),
  showInformationMessage: async (text: string) => void shown.information.push(text),
  showWarningMessage: async (text: string, options: { modal: boolean; detail: string }, ...offered: string[]) => {
    shown.warnings.push({ text, ...options, offered });
    return shown.answers.shift();
  },
  withProgress: async (_options: object, work: (progress: object, cancel: object) => unknown) =>
    work({ report: () => undefined }, new CancellationTokenSource().token),
  createQuickPick: () => new FakeQuickPick(),
  showQuickPick: async (items: Item[]) => items.find(({ label }) => label === shown.choice),
  showTextDocument: async (document: unknown) =>
    window.visibleTextEditors.find((editor) => (editor as { document: unknown }).document === document),
  showInputBox: async (options: { validateInput: (text: string) => string | null }) =>
    shown.typed !== undefined && options.validateInput(shown.typed) === null ? shown.typed : undefined,
  setStatusBarMessage: (text: string) => void shown.status.push(text),
  showSaveDialog: async (options: { defaultUri: Uri; filters: unknown }) => {
    shown.saveDialogs.push(options);
    return shown.saveAs;
  },
};

export const env = {
  uriScheme: 'vscode',
  clipboard: { writeText: async (text: string) => void (shown.clipboard = text) },
};

/** The commands that were run, with their arguments. */
export const executed: unknown[][] = [];

export const commands = {
  executeCommand: async (...command: unknown[]): Promise<unknown> => void executed.push(command),
};

/** Files by path; a test may let the next step of a write fail. */
export const files = new Map<string, Uint8Array>();
export const failing = { write: false, rename: false };
const times = new Map<string, number>();
let writes = 0;

const fileAt = (uri: Uri): Uint8Array => {
  const found = files.get(uri.path);
  if (!found) throw new Error(`there is no ${uri.path}`);
  return found;
};

export const workspace = {
  getConfiguration: () => ({
    get: (key: string) => shown.settings[key],
    inspect: (key: string) => ({
      globalValue: shown.machine[key],
      workspaceValue: shown.workspace[key],
      workspaceFolderValue: shown.workspace[key],
    }),
    update: async (key: string, value: unknown) => void (shown.settings[key] = value),
  }),
  applyEdit: async (_edit: WorkspaceEdit): Promise<boolean> => false,
  workspaceFolders: undefined as { uri: Uri }[] | undefined,
  textDocuments: [] as unknown[],
  isTrusted: true,
  getWorkspaceFolder: (uri: Uri) =>
    workspace.workspaceFolders?.find((folder) => uri.path.startsWith(`${folder.uri.path}/`)),
  asRelativePath: (uri: Uri) => uri.path.slice((workspace.getWorkspaceFolder(uri)?.uri.path.length ?? -1) + 1),
  onDidChangeWorkspaceFolders: happens.folders.event,
  /** As many globs as are used: files that have a folder and an ending. */
  findFiles: async (glob: string) => {
    const [folder = '', ending = ''] = glob.replace('**/', '/').split('*');
    const found = [...files.keys()].filter((file) => file.includes(folder) && file.endsWith(ending));
    return found.map((file) => Uri.file(file)).filter((uri) => workspace.getWorkspaceFolder(uri));
  },
  createFileSystemWatcher: () => ({
    onDidCreate: happens.files.event,
    onDidChange: () => undefined,
    onDidDelete: () => undefined,
    dispose: () => undefined,
  }),
  onDidChangeTextDocument: happens.edit.event,
  onDidChangeConfiguration: happens.configuration.event,
  onDidOpenTextDocument: happens.opened.event,
  onDidCloseTextDocument: happens.closed.event,
  fs: {
    readFile: async (uri: Uri) => fileAt(uri),
    stat: async (uri: Uri) => ({ size: fileAt(uri).length, mtime: times.get(uri.path) ?? 0 }),
    readDirectory: async (uri: Uri) => {
      const names = [...files.keys()].filter((file) => path.posix.dirname(file) === uri.path);
      return names.map((name) => [path.posix.basename(name), 1]);
    },
    createDirectory: async () => undefined,
    writeFile: async (uri: Uri, bytes: Uint8Array) => {
      // a disk that is full has written a part
      files.set(uri.path, failing.write ? bytes.slice(0, 1) : bytes);
      times.set(uri.path, (writes += 1));
      if (failing.write) throw new Error('The disk is full.');
    },
    rename: async (from: Uri, to: Uri, { overwrite }: { overwrite: boolean }) => {
      if (failing.rename) throw new Error('The file is locked.');
      if (!overwrite && files.has(to.path)) throw new Error('exists');
      files.set(to.path, fileAt(from));
      times.set(to.path, (writes += 1));
      files.delete(from.path);
    },
    delete: async (uri: Uri) => void files.delete(uri.path),
  },
};
