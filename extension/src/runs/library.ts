import * as vscode from 'vscode';
import { Failure } from '../failure';
import type { StoredResult } from '../panel/resultStore';
import { fileName, writeWhole } from '../panel/save';
import { Signal } from '../signal';
import { BrokenRun, readRun, RUN_FOLDER, RUN_SUFFIX, type RunContent, runKey, withOrigin } from './runFile';

/** A run file and its content; `broken` says why a file cannot be read. */
export interface Run {
  uri: vscode.Uri;
  /** The file's name without its ending. */
  name: string;
  /** Whether the user saved it beside its prompt; otherwise it is in the storage of this workspace. */
  saved: boolean;
  /** Empty for a broken file. */
  key: string;
  content: RunContent | null;
  broken: string;
  /** The document that the prompt is of; null where the file names none. */
  document: vscode.Uri | null;
  /** The run id under which the whole analysis may be kept. */
  kept: string | null;
}

/** The content of a run; throws a `Failure` for a file that cannot be read. */
export function contentOf(run: Run): RunContent {
  if (run.content) return run.content;
  throw new Failure('noResult', `${run.name} is not a run: ${run.broken}.`, 'Open it as text to see why.');
}

const MOST_KEPT = 200;
const MOST_SAVED = 2000;
const LONGEST_FILE = 50_000_000;
const SETTLE_MS = 150;

/** The runs of this workspace: those in its storage, and those saved beside prompts. The files are all there is. */
export class Runs {
  /** Files came, went or changed. */
  readonly changed = new Signal<void>();
  readonly #read = new Map<string, { stamp: string; run: Run }>();
  readonly #watchers: vscode.Disposable[] = [];
  #all: Promise<readonly Run[]> | null = null;
  /** The saved files; to find them the folders are walked, so they are looked for only when one comes or goes. */
  #saved: Promise<readonly vscode.Uri[]> | null = null;
  #writing: Promise<unknown> = Promise.resolve();
  #settling: NodeJS.Timeout | undefined;

  constructor(
    private readonly folder: vscode.Uri,
    private readonly log: (line: string) => void,
  ) {}

  /** Listens for what others do to the files. */
  watch(): vscode.Disposable {
    const places = [new vscode.RelativePattern(this.folder, `*${RUN_SUFFIX}`), `**/${RUN_FOLDER}/*${RUN_SUFFIX}`];
    for (const place of places) {
      const watcher = vscode.workspace.createFileSystemWatcher(place);
      const settle = (file: vscode.Uri) => this.#settle(file);
      watcher.onDidCreate(settle);
      watcher.onDidChange(settle);
      watcher.onDidDelete(settle);
      this.#watchers.push(watcher);
    }
    this.#watchers.push(vscode.workspace.onDidChangeWorkspaceFolders(() => this.refresh()));
    return {
      dispose: () => {
        clearTimeout(this.#settling);
        for (const watcher of this.#watchers) watcher.dispose();
      },
    };
  }

  /** Forgets the list of files; the next use reads it again. */
  refresh(): void {
    this.#saved = null;
    this.#listAnew();
  }

  /** Every run, the newest first; a run that is saved as well as kept is listed as saved. */
  all(): Promise<readonly Run[]> {
    this.#all ??= this.#list();
    return this.#all;
  }

  async byKey(key: string): Promise<Run | undefined> {
    return (await this.all()).find((run) => run.key === key);
  }

  async byKept(runId: string): Promise<Run | undefined> {
    return (await this.all()).find((run) => run.kept === runId);
  }

  async byUri(uri: vscode.Uri): Promise<Run | undefined> {
    return (await this.all()).find((run) => run.uri.toString() === uri.toString());
  }

  /** Reads one file anywhere. Never rejects: the run says what is wrong. */
  async readAt(uri: vscode.Uri, saved = true): Promise<Run> {
    const name = (uri.path.split('/').at(-1) ?? '').slice(0, -RUN_SUFFIX.length);
    const run: Run = { uri, name, saved, key: '', content: null, broken: '', document: null, kept: null };
    try {
      const { size, mtime } = await vscode.workspace.fs.stat(uri);
      const stamp = `${mtime} ${size}`;
      const known = this.#read.get(uri.toString());
      if (known?.stamp === stamp) return known.run;
      if (size > LONGEST_FILE) throw new BrokenRun('it is too large');
      const content = readRun(Buffer.from(await vscode.workspace.fs.readFile(uri)).toString('utf8'));
      const { origin } = content;
      Object.assign(run, { content, key: runKey(content) });
      if (!saved) Object.assign(run, { document: documentAt(origin?.uri), kept: origin?.kept ?? null });
      else if (origin?.file !== undefined) run.document = besideOf(uri, origin.file);
      this.#read.set(uri.toString(), { stamp, run });
    } catch (error) {
      run.broken = error instanceof Error ? error.message : String(error);
    }
    return run;
  }

  /** Keeps a run in the storage; the same prompt asked in the same way takes the place of the one before. */
  keep(text: string, { runId, uri, title, asked, place: { start, end } }: StoredResult): Promise<Run> {
    const work = this.#writing.then(async () => {
      const own = { uri, source: asked.source ?? '', kept: runId, start, end };
      const whole = withOrigin(text, own);
      const key = runKey(readRun(whole));
      const kept = await this.#inStorage();
      const same = kept.find((run) => run.key === key);
      const stem = `${fileName(title.replace(/\.[^.]*$/, '')).slice(0, 60)}-${key.slice(0, 8)}`;
      const file = same?.uri ?? vscode.Uri.joinPath(this.folder, `${stem}${RUN_SUFFIX}`);
      await vscode.workspace.fs.createDirectory(this.folder);
      await this.write(file, whole);
      const oldest = newestFirst(kept).slice(MOST_KEPT - 1);
      for (const run of oldest) if (run !== same) await vscode.workspace.fs.delete(run.uri);
      return this.readAt(file, false);
    });
    this.#writing = work.catch(() => undefined);
    return work;
  }

  /** Writes a run file in one step, and refreshes the list. */
  async write(file: vscode.Uri, text: string): Promise<void> {
    await writeWhole(file, Buffer.from(text, 'utf8'));
    this.#read.delete(file.toString());
    this.#heed(file);
    this.#listAnew();
  }

  /** Renames a run's file within its folder. Rejects if the name is taken. */
  async rename(run: Run, name: string): Promise<void> {
    const file = vscode.Uri.joinPath(run.uri, '..', `${name}${RUN_SUFFIX}`);
    await vscode.workspace.fs.rename(run.uri, file, { overwrite: false });
    this.#read.delete(run.uri.toString());
    this.refresh();
  }

  /** Deletes a run, both saved and kept; returns the run ids that nothing refers to any more. */
  async delete(run: Run): Promise<string[]> {
    const twins = run.key ? (await this.#inStorage()).filter(({ key }) => key === run.key) : [];
    const files = new Map([run, ...twins].map((one) => [one.uri.toString(), one]));
    for (const { uri } of files.values()) await vscode.workspace.fs.delete(uri);
    this.refresh();
    return [...files.values()].flatMap(({ kept }) => kept ?? []);
  }

  async #list(): Promise<readonly Run[]> {
    const [kept, saved] = await Promise.all([this.#inStorage(), this.#besidePrompts()]);
    const twins = new Map(kept.flatMap((run) => (run.key ? [[run.key, run] as const] : [])));
    const known = new Set(saved.map(({ key }) => key));
    for (const run of saved) run.kept = twins.get(run.key)?.kept ?? null;
    return newestFirst([...saved, ...kept.filter(({ key }) => !key || !known.has(key))]);
  }

  async #inStorage(): Promise<Run[]> {
    const entries = await vscode.workspace.fs.readDirectory(this.folder).then(undefined, () => []);
    const files = entries.filter(([name]) => name.endsWith(RUN_SUFFIX));
    return Promise.all(files.map(([name]) => this.readAt(vscode.Uri.joinPath(this.folder, name), false)));
  }

  async #besidePrompts(): Promise<Run[]> {
    this.#saved ??= this.#findSaved();
    return Promise.all((await this.#saved).map((file) => this.readAt(file)));
  }

  async #findSaved(): Promise<readonly vscode.Uri[]> {
    try {
      return await vscode.workspace.findFiles(`**/${RUN_FOLDER}/*${RUN_SUFFIX}`, '**/node_modules/**', MOST_SAVED);
    } catch (error) {
      this.log(`saved runs were not found: ${String(error)}`);
      return [];
    }
  }

  #heed(file: vscode.Uri): void {
    if (!file.toString().startsWith(`${this.folder.toString()}/`)) this.#saved = null;
  }

  #listAnew(): void {
    this.#all = null;
    this.changed.fire();
  }

  // a program that writes many files is heard once
  #settle(file: vscode.Uri): void {
    this.#heed(file);
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#listAnew(), SETTLE_MS);
  }
}

function newestFirst(runs: readonly Run[]): Run[] {
  const created = (run: Run) => run.content?.created ?? '';
  return [...runs].sort((a, b) => created(b).localeCompare(created(a)) || a.name.localeCompare(b.name));
}

function documentAt(uri: string | undefined): vscode.Uri | null {
  try {
    return uri === undefined ? null : vscode.Uri.parse(uri, true);
  } catch {
    return null;
  }
}

// a file that came from elsewhere names no place outside of the folders that are open
function besideOf(run: vscode.Uri, file: string): vscode.Uri | null {
  if (file === '' || file.startsWith('/') || /^[A-Za-z]:|\\/.test(file)) return null;
  const uri = vscode.Uri.joinPath(run, '..', file);
  return vscode.workspace.getWorkspaceFolder(uri) ? uri : null;
}
