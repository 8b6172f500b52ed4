import * as vscode from 'vscode';
import type { App } from '../app';
import { addition } from '../prompts/addition';
import { type ListedPrompt, listPrompts } from '../prompts/ask';
import { editorFor, openText, selectionAt } from '../prompts/subject';
import { picked, pointAt } from './quickPick';
import { type PromptItem, promptItems, withTyped } from './promptItems';
import { reportFailure } from './report';

const ADD_FAILED = 'The prompt could not be added: the file cannot be edited.';

/** Choose Prompt: a list of the file's prompts, to analyze one or to add one. */
export function choosePrompt(app: App): (target?: unknown) => Promise<void> {
  return async (target) => {
    const document = await documentMeant(app, target);
    if (!document) {
      void vscode.window.showInformationMessage('Open a file with prompts, then choose one.');
      return;
    }
    const chosen = await choose(app, document);
    if (!chosen) return;
    const { item, prompts } = chosen;
    const start = item.start ?? (await add(document, prompts, item.text));
    if (start === null) return void vscode.window.showErrorMessage(ADD_FAILED);
    const editor = await show(app, document);
    const selection = selectionAt(document, start);
    editor.selection = selection;
    editor.revealRange(selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    await app.analyses.run({ document, selection });
  };
}

interface Chosen {
  item: PromptItem;
  prompts: readonly ListedPrompt[];
}

async function choose(app: App, document: vscode.TextDocument): Promise<Chosen | undefined> {
  const text = document.getText();
  const cursor = editorShowing(document)?.selection.active;
  const quickPick = vscode.window.createQuickPick<PromptItem>();
  quickPick.title = 'Choose Prompt';
  quickPick.placeholder = 'Reading the prompts…';
  quickPick.busy = true;
  const hidden = new vscode.CancellationTokenSource();
  let prompts: ListedPrompt[] = [];
  const listed = listPrompts(app.backend, document, cursor ? document.offsetAt(cursor) : 0, hidden.token).then(
    (found) => {
      prompts = found;
      const canAdd = (prompt: string) => addition(text, document.languageId, prompts, prompt, '\n') !== null;
      const items = promptItems(prompts, ({ start, end }) => linesBetween(document, start, end));
      quickPick.busy = false;
      quickPick.placeholder = canAdd('x') ? 'Choose a prompt, or type a new one' : 'Choose a prompt';
      quickPick.items = withTyped(items, quickPick.value, canAdd);
      pointAt(
        quickPick,
        items.filter((_, index) => prompts[index]?.active),
      );
      quickPick.onDidChangeValue((typed) => (quickPick.items = withTyped(items, typed, canAdd)));
    },
  );
  listed.catch((error: unknown) => {
    quickPick.hide();
    return reportFailure(app, error);
  });
  const item = await picked(quickPick);
  hidden.cancel();
  hidden.dispose();
  return item && { item, prompts };
}

function linesBetween(document: vscode.TextDocument, start: number, end: number): number {
  return document.positionAt(end).line - document.positionAt(start).line + 1;
}

/** Writes a prompt at the end of the document; resolves with its offset. */
async function add(
  document: vscode.TextDocument,
  prompts: readonly ListedPrompt[],
  prompt: string,
): Promise<number | null> {
  const eol = document.eol === vscode.EndOfLine.CRLF ? '\r\n' : '\n';
  const text = document.getText();
  const added = addition(text, document.languageId, prompts, prompt, eol);
  if (!added) return null;
  const edit = new vscode.WorkspaceEdit();
  edit.insert(document.uri, document.positionAt(text.length), added.insert);
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
