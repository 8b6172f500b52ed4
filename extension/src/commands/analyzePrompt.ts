import * as vscode from 'vscode';
import type { App } from '../app';
import type { Panel } from '../panel/panel';
import { activeFile, editorFor, openText, readPlace, selectionAt } from '../prompts/subject';
import { RUN_SUFFIX } from '../runs/runFile';

const NOT_TEXT = 'This file cannot be analyzed: it is binary, or too large to be opened as text.';

/** Analyze Prompt: the selection, else the prompt at the cursor, of the given file or the active editor. */
export function analyzePrompt(app: App): (target?: unknown) => Promise<void> {
  return async (target) => {
    const place = readPlace(target);
    if (place) {
      const document = await openText(place.uri);
      if (document) return app.analyses.run({ document, selection: selectionAt(document, place.start) });
      return void vscode.window.showErrorMessage(NOT_TEXT);
    }
    const editor = editorFor(target);
    if (editor) return app.analyses.run({ document: editor.document, selection: editor.selection });
    const uri = target instanceof vscode.Uri ? target : activeFile();
    const panel = uri ? undefined : app.panels.active();
    if (panel) return analyzeAgain(app, panel);
    if (!uri) {
      void vscode.window.showInformationMessage('Open a file with a prompt, then analyze it.');
      return;
    }
    const document = await openText(uri);
    if (document) return app.analyses.run({ document, selection: null });
    void vscode.window.showErrorMessage(NOT_TEXT);
  };
}

/** Analyzes a panel's document again, with its editor's current selection. */
export async function analyzeAgain(app: App, panel: Panel): Promise<void> {
  const uri = panel.uri ?? vscode.window.visibleTextEditors[0]?.document.uri;
  if (!uri) {
    void vscode.window.showInformationMessage('Open a file with a prompt, then analyze it.');
    return;
  }
  if (uri.path.endsWith(RUN_SUFFIX)) {
    void vscode.window.showInformationMessage(
      'This run’s file names no prompt in this workspace, so it cannot be analyzed again.',
    );
    return;
  }
  panel.uri ??= uri;
  const editor = vscode.window.visibleTextEditors.find((visible) => visible.document.uri.toString() === uri.toString());
  const document = editor?.document ?? (await openText(uri));
  const shown = document && panel.shown && selectionAt(document, panel.shown.place.start);
  if (document && panel.comparison) {
    const { comparison } = panel;
    return app.analyses.run({ document, selection: shown, comparison });
  }
  if (document) return app.analyses.run({ document, selection: editor?.selection ?? shown });
  void vscode.window.showErrorMessage('The file of this analysis no longer exists or is no longer text.');
}
