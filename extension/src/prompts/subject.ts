import * as vscode from 'vscode';

/** The editor of a file; without a file the active editor. */
export function editorFor(target: unknown): vscode.TextEditor | undefined {
  const active = vscode.window.activeTextEditor;
  if (!(target instanceof vscode.Uri)) {
    // VS Code briefly keeps naming the previous text editor when an editor without text replaces it
    const file = activeFile();
    return file && file.toString() !== active?.document.uri.toString() ? undefined : active;
  }
  const wanted = target.toString();
  const isWanted = (editor: vscode.TextEditor) => editor.document.uri.toString() === wanted;
  return active && isWanted(active) ? active : vscode.window.visibleTextEditors.find(isWanted);
}

// an editor that shows no text (a picture, a file that is binary) still has a tab
export function activeFile(): vscode.Uri | undefined {
  const input: unknown = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  return input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom ? input.uri : undefined;
}

/** The document of a file; null if it is not text. */
export async function openText(uri: vscode.Uri): Promise<vscode.TextDocument | null> {
  const known = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (known) return known;
  try {
    return await vscode.workspace.openTextDocument(uri);
  } catch {
    return null;
  }
}

/** The place that a code lens stands for: a document, and an offset in its prompt. */
export function readPlace(target: unknown): { uri: vscode.Uri; start: number } | null {
  if (typeof target !== 'object' || target === null || target instanceof vscode.Uri) return null;
  const { uri, start } = target as Record<string, unknown>;
  if (typeof uri !== 'string' || typeof start !== 'number') return null;
  return { uri: vscode.Uri.parse(uri), start };
}

/** The cursor at an offset, with nothing selected. */
export function selectionAt(document: vscode.TextDocument, offset: number): vscode.Selection {
  const at = document.positionAt(offset);
  return new vscode.Selection(at, at);
}
