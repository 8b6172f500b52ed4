import { monitorEventLoopDelay } from 'node:perf_hooks';
import * as vscode from 'vscode';
import { editorFor } from '../prompts/subject';
import type { ModelChoice } from '../models/modelChoice';
import type { Analyses } from '../panel/analyses';
import { askedBy, meansTheSame } from '../panel/asked';
import type { Panels } from '../panel/panels';
import { readSettings } from '../settings';
import { Pace } from './pace';

/** Steady typing sees the graph move at least this often, if an analysis takes no longer. */
const PATIENCE_MS = 1000;
const RESOLUTION_MS = 10;

const FOLLOWS = new vscode.MarkdownString('The graph follows this prompt as you type. Click to turn it off.');
const TOO_LONG = new vscode.MarkdownString(
  'This prompt is too long to follow as you type. The graph follows again once it is shorter.\n\n' +
    '[Analyze Once](command:lmTransparency.analyzePrompt)',
);
TOO_LONG.isTrusted = { enabledCommands: ['lmTransparency.analyzePrompt'] };

interface Parts {
  analyses: Analyses;
  panels: Panels;
  choice: Pick<ModelChoice, 'changed' | 'settingsFor'>;
  log: (line: string) => void;
}

/** The documents whose graph follows the prompt as one types. */
export class LiveMode implements vscode.Disposable {
  readonly #paces = new Map<string, Pace>();
  /** Those whose prompt has become too long to follow. */
  readonly #costly = new Set<string>();
  readonly #item = vscode.window.createStatusBarItem('lmTransparency.live', vscode.StatusBarAlignment.Left);
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #disposables: vscode.Disposable[];

  constructor(private readonly parts: Parts) {
    this.#item.name = 'LM Transparency: Live Mode';
    this.#item.command = 'lmTransparency.toggleLive';
    this.#disposables = [
      this.#item,
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0) this.#paces.get(document.uri.toString())?.touch();
      }),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.#end(uri.toString())),
      vscode.window.onDidChangeActiveTextEditor(() => this.#mark()),
      // what was typed while it was analyzed once
      parts.choice.changed.listen(() => this.#askAnew()),
      parts.analyses.finished.listen(({ uri }) => this.#costly.has(uri) && this.#paces.get(uri)?.touch()),
    ];
  }

  /** Turns it on or off for the document of the active editor, and analyzes at once. */
  async toggle(): Promise<void> {
    const editor = editorFor(undefined) ?? this.#editorOfPanel();
    if (!editor) {
      void vscode.window.showInformationMessage('Open a file with a prompt first; live mode follows what you type.');
      return;
    }
    const { document } = editor;
    const uri = document.uri.toString();
    if (this.#paces.has(uri)) return this.#end(uri);
    const pace = new Pace(() => this.#follow(document), {
      delayMs: () => readSettings(document.uri).liveDelay,
      patienceMs: PATIENCE_MS,
      now: Date.now,
      idle: () => this.#report(pace),
    });
    this.#paces.set(uri, pace);
    this.#delay.enable();
    this.#mark();
    await this.parts.analyses.run({ document, selection: editor.selection });
  }

  dispose(): void {
    for (const uri of [...this.#paces.keys()]) this.#end(uri);
    for (const disposable of this.#disposables) disposable.dispose();
  }

  /** Whether the graph of a document follows what is typed. */
  follows(uri: string): boolean {
    return this.#paces.has(uri);
  }

  /** A graph that follows its prompt follows a choice as well. */
  #askAnew(): void {
    const { analyses, panels, choice } = this.parts;
    for (const [uri, pace] of this.#paces) {
      const panel = panels.all().find((one) => one.uri?.toString() === uri && !one.comparison);
      if (!panel?.uri || !panel.shown || analyses.jobs.some((job) => job.panel === panel)) continue;
      const now = askedBy(choice.settingsFor(panel.uri), panel.shown.settings);
      if (!meansTheSame(panel.shown.asked, now)) pace.touch();
    }
  }

  async #follow(document: vscode.TextDocument): ReturnType<Analyses['follow']> {
    const uri = document.uri.toString();
    if (document.isClosed || !this.parts.panels.all().some((panel) => panel.uri?.toString() === uri)) {
      // closing the panel ends it
      this.#end(uri);
      return 'failed';
    }
    // a requested analysis continues, whatever is typed meanwhile
    const isAsked = this.parts.analyses.jobs.some((job) => job.uri === uri && !job.follows);
    if (this.#costly.has(uri) && isAsked) return 'costly';
    const editor = vscode.window.visibleTextEditors.find((visible) => visible.document === document);
    const outcome = await this.parts.analyses.follow({ document, selection: editor?.selection ?? null });
    // the panel says what is wrong; each keystroke would bring it back
    if (outcome === 'failed') this.#end(uri);
    else if (outcome === 'costly') this.#costly.add(uri);
    else if (outcome !== 'superseded') this.#costly.delete(uri);
    this.#mark();
    return outcome;
  }

  #editorOfPanel(): vscode.TextEditor | undefined {
    const uri = this.parts.panels.active()?.uri?.toString();
    return vscode.window.visibleTextEditors.find(({ document }) => document.uri.toString() === uri);
  }

  #end(uri: string): void {
    this.#paces.get(uri)?.stop();
    this.#paces.delete(uri);
    this.#costly.delete(uri);
    if (this.#paces.size === 0) this.#delay.disable();
    this.#mark();
  }

  #mark(): void {
    const uri = vscode.window.activeTextEditor?.document.uri.toString();
    const shows = uri === undefined ? this.#paces.size > 0 : this.#paces.has(uri);
    if (!shows) return this.#item.hide();
    const isCostly = uri === undefined ? this.#costly.size > 0 : this.#costly.has(uri);
    this.#item.text = isCostly ? '$(pulse) Live: Too Long' : '$(pulse) Live';
    this.#item.tooltip = isCostly ? TOO_LONG : FOLLOWS;
    this.#item.show();
  }

  #report({ counts }: Pace): void {
    const { started, superseded, shown } = counts;
    const longest = Math.max(0, Math.round(this.#delay.max / 1e6) - RESOLUTION_MS);
    this.#delay.reset();
    this.parts.log(
      `live: ${started} analyses started, ${superseded} superseded, ${shown} shown; ` +
        `the extension host was held up for ${longest} ms at most`,
    );
  }
}
