import * as vscode from 'vscode';
import type { Backend } from '../backend/backend';
import { modelView, type MeantModel } from '../backend/health';
import { isPromptLanguage } from '../languages';
import type { ModelChoice } from '../models/modelChoice';
import type { Panel } from '../panel/panel';
import type { Panels } from '../panel/panels';
import { promptAt } from '../prompts/ask';
import type { Targets } from '../remote/target';

/** How long a file rests before it is asked which model it names. */
const REST_MS = 400;

interface Parts {
  backend: Pick<Backend, 'status' | 'changed' | 'request'>;
  panels: Pick<Panels, 'active' | 'all'>;
  choice: Pick<ModelChoice, 'settingsFor' | 'pending' | 'changed' | 'settled'>;
  targets: Pick<Targets, 'current' | 'changed'>;
}

/** The status bar names the model of the prompt in front; a click chooses another. */
export class ModelStatus implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem('lmTransparency.model', vscode.StatusBarAlignment.Right, 190);
  /** By a file's address: the version that was asked, and the model that it names; null: none. */
  readonly #named = new Map<string, { version: number; model: string | null }>();
  readonly #listening: vscode.Disposable;
  #resting: NodeJS.Timeout | undefined;

  constructor(private readonly parts: Parts) {
    this.#item.name = 'LM Transparency: Model';
    this.#item.command = 'lmTransparency.selectModel';
    const update = () => this.#update();
    const look = () => this.#look();
    this.#listening = vscode.Disposable.from(
      vscode.window.onDidChangeActiveTextEditor(look),
      vscode.window.onDidChangeVisibleTextEditors(update),
      vscode.window.tabGroups.onDidChangeTabs(look),
      vscode.workspace.onDidChangeTextDocument(({ document }) => document === documentMeant(this.parts) && look()),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.#named.delete(uri.toString())),
      vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration('lmTransparency') && update()),
      parts.backend.changed.listen(look),
      parts.choice.changed.listen(update),
      parts.choice.settled.listen(update),
      parts.targets.changed.listen(update),
    );
    look();
  }

  dispose(): void {
    clearTimeout(this.#resting);
    this.#listening.dispose();
    this.#item.dispose();
  }

  #update(): void {
    const { backend, targets } = this.parts;
    const meant = this.#meant();
    if (!meant) return this.#item.hide();
    const { text, tooltip } = modelView(backend.status, meant, targets.current);
    this.#item.text = text;
    this.#item.tooltip = tooltip;
    this.#item.show();
  }

  #meant(): MeantModel | null {
    const { choice, panels } = this.parts;
    const document = documentMeant(this.parts);
    const panel = panelMeant(panels.all(), panels.active(), document);
    const uri = panel?.uri ?? document?.uri;
    if (!document && !panel) return null;
    const named = panel?.comparison?.source ?? (uri && this.#named.get(uri.toString())?.model) ?? modelOf(panel);
    const source = named ?? choice.settingsFor(uri).model;
    const isOfFile = named !== null && !panel?.comparison?.source;
    return { source, isOfFile, isLoading: choice.pending?.chosen.source === source };
  }

  // the backend alone reads prompt files; one that does not run is not started for this
  #look(): void {
    this.#update();
    clearTimeout(this.#resting);
    const document = documentMeant(this.parts);
    if (!document || !isPromptLanguage(document.languageId) || this.parts.backend.status.phase !== 'running') return;
    const uri = document.uri.toString();
    const { version } = document;
    // a question changes the backend's state: each version is asked once
    if (this.#named.get(uri)?.version === version) return;
    const ask = async (): Promise<void> => {
      this.#named.set(uri, { version, model: this.#named.get(uri)?.model ?? null });
      const { settings } = await promptAt(this.parts.backend, document, null);
      this.#named.set(uri, { version, model: settings.model });
      this.#update();
    };
    // what cannot be read names what it named before
    this.#resting = setTimeout(() => void ask().catch(() => undefined), REST_MS);
  }
}

/** The document that an analysis would be of: in front, or of a prompt language and in sight. */
function documentMeant({ panels }: Pick<Parts, 'panels'>): vscode.TextDocument | null {
  const uri = panels.active()?.uri?.toString();
  if (uri) return vscode.workspace.textDocuments.find((open) => open.uri.toString() === uri) ?? null;
  const { activeTextEditor, visibleTextEditors } = vscode.window;
  const isPrompt = ({ document }: vscode.TextEditor) =>
    isPromptLanguage(document.languageId) || panels.all().some((panel) => isOf(panel, document));
  const editors = [...(activeTextEditor ? [activeTextEditor] : []), ...visibleTextEditors];
  return editors.find(isPrompt)?.document ?? null;
}

function panelMeant(all: readonly Panel[], active: Panel | undefined, document: vscode.TextDocument | null) {
  return active ?? all.find((panel) => !panel.comparison && document && isOf(panel, document));
}

function isOf(panel: Panel, document: vscode.TextDocument): boolean {
  return panel.uri?.toString() === document.uri.toString();
}

function modelOf(panel: Panel | undefined): string | null {
  return panel?.shown?.settings.model ?? null;
}
