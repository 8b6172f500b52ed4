import path from 'node:path';
import * as vscode from 'vscode';
import { LIST_MODELS, type ListModelsResult } from '../../shared/protocol';
import type { App } from '../app';
import { toFailure } from '../failure';
import type { Cancel } from '../cancel';
import { listPrompts, promptAt } from '../prompts/ask';
import { isPromptLanguage } from '../languages';
import { readSettings } from '../settings';
import { editorFor, openText, readPlace, selectionAt } from '../prompts/subject';
import { modelSections } from './modelItems';
import { picked } from './quickPick';
import { promptItems } from './promptItems';
import { reportFailure } from './report';

/** Prompts of one other file that are offered. */
const MOST_OF_ANOTHER = 200;

interface Meant {
  document: vscode.TextDocument;
  selection: vscode.Selection | null;
}

interface Choice extends vscode.QuickPickItem {
  /** Another prompt, or the same with another model; unset for a heading. */
  other?: Meant & { source: string | null };
}

/** Compare Prompt: the prompt's analysis, beside that of another prompt or of the same prompt with another model. */
export function comparePrompt(app: App): (target?: unknown) => Promise<void> {
  return async (target) => {
    const meant = await promptMeant(app, target);
    if (!meant) {
      void vscode.window.showInformationMessage('Open a file with a prompt, then compare it.');
      return;
    }
    const other = await choose(app, meant);
    if (!other) return;
    try {
      if (!(await isShown(app, meant))) await app.analyses.run(meant);
    } catch (error) {
      return reportFailure(app, error);
    }
    const { source, ...subject } = other;
    await app.analyses.run({ ...subject, comparison: { source } });
  };
}

async function promptMeant(app: App, target: unknown): Promise<Meant | null> {
  const place = readPlace(target);
  if (place) {
    const document = await openText(place.uri);
    return document && { document, selection: selectionAt(document, place.start) };
  }
  const panel = app.panels.active();
  const editor = editorFor(target ?? panel?.uri ?? undefined);
  if (editor) return { document: editor.document, selection: editor.selection };
  const document = panel?.uri ? await openText(panel.uri) : null;
  return document && { document, selection: panel?.shown ? selectionAt(document, panel.shown.place.start) : null };
}

/** Whether the document's own panel shows this very prompt. */
async function isShown(app: App, { document, selection }: Meant): Promise<boolean> {
  const isOf = (uri: vscode.Uri | null) => uri?.toString() === document.uri.toString();
  const shown = app.panels.all().find((panel) => !panel.comparison && isOf(panel.uri))?.shown;
  if (!shown) return false;
  const { place } = await promptAt(app.backend, document, selection);
  return shown.place.start === place.start && shown.place.digest === place.digest;
}

async function choose(app: App, meant: Meant): Promise<Choice['other']> {
  const quickPick = vscode.window.createQuickPick<Choice>();
  quickPick.title = 'Compare Prompt';
  quickPick.placeholder = 'Compare with another prompt, or with another model';
  quickPick.matchOnDescription = true;
  quickPick.busy = true;
  const hidden = new vscode.CancellationTokenSource();
  const parts: Choice[][] = [[], [], []];
  const fill = (part: number, title: string, items: Choice[]) => {
    parts[part] = items.length > 0 ? [heading(title), ...items] : [];
    quickPick.items = parts.flat();
  };
  const { document } = meant;
  const others = vscode.workspace.textDocuments.filter(
    (open) => open !== document && isPromptLanguage(open.languageId),
  );
  const looking = [
    promptsOf(app, document, meant.selection, hidden.token).then((items) => fill(0, 'this file', items)),
    Promise.all(others.map((open) => promptsOf(app, open, null, hidden.token))).then((lists) =>
      fill(
        1,
        'other open files',
        lists.flatMap((items, index) => inFile(items, others[index])),
      ),
    ),
    modelsFor(app, meant, hidden.token).then((items) => fill(2, 'another model', items)),
  ];
  void Promise.allSettled(looking).then((ended) => {
    quickPick.busy = false;
    const failed = ended.find((end) => end.status === 'rejected');
    if (failed && quickPick.items.length === 0) quickPick.placeholder = toFailure(failed.reason).message;
  });
  const chosen = await picked(quickPick);
  hidden.cancel();
  hidden.dispose();
  return chosen?.other;
}

function heading(label: string): Choice {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}

/** The prompts of a document, except the selected one. */
async function promptsOf(
  app: App,
  document: vscode.TextDocument,
  selection: vscode.Selection | null,
  cancel: Cancel,
): Promise<Choice[]> {
  const cursor = selection ? document.offsetAt(selection.active) : null;
  const prompts = await listPrompts(app.backend, document, cursor, cancel);
  const others = prompts.filter(({ active }) => !active);
  return promptItems(others, () => 1).flatMap(({ label, start }) =>
    start === null ? [] : [{ label, other: { document, selection: selectionAt(document, start), source: null } }],
  );
}

function inFile(items: Choice[], document: vscode.TextDocument | undefined): Choice[] {
  const description = path.posix.basename(document?.uri.path ?? '');
  return items.slice(0, MOST_OF_ANOTHER).map((item) => ({ ...item, description }));
}

async function modelsFor(app: App, meant: Meant, cancel: Cancel): Promise<Choice[]> {
  const options = { cancel, early: true };
  const listed = (await app.backend.request(LIST_MODELS, {}, options)) as ListModelsResult;
  const sections = modelSections(
    listed,
    readSettings(meant.document.uri).model,
    app.recent.list(),
    app.targets.place(),
  );
  return sections
    .flatMap(({ items }) => items)
    .flatMap(({ label, description, choice }) =>
      choice.kind === 'model' ? [{ label, description, other: { ...meant, source: choice.source } }] : [],
    );
}
