import * as vscode from 'vscode';
import type { App } from '../app';
import { addition, promptsOf } from '../prompts/list';
import { editorFor, openText } from './analyzePrompt';
import { picked } from './pick';
import { type PromptItem, promptItems } from './promptItems';

const ADD_FAILED = 'The prompt could not be added: the file cannot be changed.';

/** Choose Prompt: a list of the file's prompts, to analyze one or to add one. */
export function choosePrompt(app: App): (target?: unknown) => Promise<void> {
  return async (target) => {
    const document = await documentMeant(app, target);
    if (!document) {
      void vscode.window.showInformationMessage('Open a file with prompts, then choose one.');
      return;
    }
    const chosen = await choose(document);
    if (!chosen) return;
    const start = chosen.start ?? (await add(document, chosen.text));
    if (start === null) return void vscode.window.showErrorMessage(ADD_FAILED);
    const editor = await show(app, document);
    const at = document.positionAt(start);
    const selection = new vscode.Selection(at, at);
    editor.selection = selection;
    editor.revealRange(selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    await app.analyses.run({ document, selection });
  };
}

async function choose(document: vscode.TextDocument): Promise<PromptItem | undefined> {
  const text = document.getText();
  const { languageId } = document;
  const cursor = editorShowing(document)?.selection.active;
  const at = cursor ? document.offsetAt(cursor) : 0;
  const prompts = promptsOf({ text, languageId, selectionStart: at, selectionEnd: at, cursor: at });
  const canAdd = (prompt: string) => addition(text, languageId, prompt, '\n') !== null;
  const quickPick = vscode.window.createQuickPick<PromptItem>();
  quickPick.title = 'Choose Prompt';
  quickPick.placeholder = canAdd('x') ? 'Choose a prompt, or type a new one' : 'Choose a prompt';
  quickPick.items = promptItems(prompts, '', canAdd);
  quickPick.activeItems = quickPick.items.filter((_, index) => prompts[index]?.active);
  quickPick.onDidChangeValue((typed) => (quickPick.items = promptItems(prompts, typed, canAdd)));
  return picked(quickPick);
}

/** Writes a prompt at the end of the document; resolves with where it stands. */
async function add(document: vscode.TextDocument, prompt: string): Promise<number | null> {
  const eol = document.eol === vscode.EndOfLine.CRLF ? '\r\n' : '\n';
  const added = addition(document.getText(), document.languageId, prompt, eol);
  if (!added) return null;
  const edit = new vscode.WorkspaceEdit();
  edit.insert(document.uri, document.positionAt(added.offset), added.insert);
  return (await vscode.workspace.applyEdit(edit)) ? added.start : null;
}

async function documentMeant(app: App, target: unknown): Promise<vscode.TextDocument | null> {
  const uri = target instanceof vscode.Uri ? target : app.panels.active()?.uri;
  const editor = editorFor(uri);
  return editor?.document ?? (uri ? openText(uri) : null);
}

function editorShowing(document: vscode.TextDocument): vscode.TextEditor | undefined {
  return vscode.window.visibleTextEditors.find((editor) => editor.document === document);
}

/** The document's editor; a new one goes beside the panels, not over them. */
async function show(app: App, document: vscode.TextDocument): Promise<vscode.TextEditor> {
  const known = editorShowing(document);
  const taken = new Set(app.panels.all().map(({ webviewPanel }) => webviewPanel.viewColumn));
  const free = vscode.window.tabGroups.all.find(({ viewColumn }) => !taken.has(viewColumn))?.viewColumn;
  return vscode.window.showTextDocument(document, known?.viewColumn ?? free ?? vscode.ViewColumn.One);
}
