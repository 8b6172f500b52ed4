import * as vscode from 'vscode';
import type { App } from '../app';
import type { Backend } from '../backend/backend';
import { toFailure } from '../failure';
import { LIST_MODELS, type ListModelsResult, LOAD_MODEL } from '../../shared/protocol';
import { readSettings } from '../settings';
import { type ModelItem, modelSections, refuseHubId, typedItem } from './modelItems';
import { type Cancel, CancelSource } from '../cancel';
import type { Chosen } from '../models/modelChoice';
import { FROM_PANEL, offerAnalysis } from './offerAnalysis';
import { picked } from './quickPick';
import { modelInWords } from '../words';
import { reportFailure } from './report';

/** Select Model: chooses, loads and remembers a model; resolves with whether the one that was chosen counts. */
export function selectModel(app: App): (from?: unknown) => Promise<boolean> {
  return async (from) => {
    const chosen = await choose(app);
    if (chosen === undefined) return false;
    try {
      if (!(await app.choice.take(chosen))) return false;
    } catch (error) {
      const failure = toFailure(error);
      // the user has just been asked about a model that is too large
      if (failure.kind !== 'tooLarge') await reportFailure(app, failure);
      return false;
    }
    await app.recent.add(chosen.source);
    if (from !== FROM_PANEL) void offerAnalysis(app, `The model is ${modelInWords(chosen.source)} now`);
    return true;
  };
}

type Row = ModelItem | (vscode.QuickPickItem & { choice?: undefined });

async function choose(app: App): Promise<Chosen | undefined> {
  const quickPick = vscode.window.createQuickPick<Row>();
  quickPick.title = 'Select Model';
  quickPick.placeholder = 'Choose a model, or type a path or a hub id';
  quickPick.matchOnDescription = true;
  const { model } = readSettings();
  const place = app.targets.place();
  let listed: ListModelsResult | null = null;
  const update = () => {
    const sections = modelSections(listed, model, app.recent.list(), place);
    const typed = typedItem(quickPick.value, sections, place);
    const rows = sections.flatMap(({ title, items }): Row[] => [
      { label: title, kind: vscode.QuickPickItemKind.Separator },
      ...items,
    ]);
    quickPick.items = typed ? [...rows, typed] : rows;
  };
  update();
  quickPick.onDidChangeValue(update);
  quickPick.busy = true;
  const hidden = new vscode.CancellationTokenSource();
  app.backend
    .request(LIST_MODELS, {}, { cancel: hidden.token, early: true })
    .then((reply) => {
      listed = reply as ListModelsResult;
      update();
    })
    .catch((error: unknown) => (quickPick.placeholder = `No list of models: ${toFailure(error).message}`))
    .finally(() => (quickPick.busy = false));
  const chosen = await picked(quickPick);
  hidden.cancel();
  hidden.dispose();
  return chosen?.choice && namedBy(chosen.choice);
}

async function namedBy(choice: ModelItem['choice']): Promise<Chosen | undefined> {
  switch (choice.kind) {
    case 'model':
      return { source: choice.source, allowDownload: choice.allowDownload };
    case 'folder':
      return browse({ canSelectFolders: true, canSelectFiles: false, title: 'Model Folder' });
    case 'file':
      return browse({ filters: { 'GGUF models': ['gguf'] }, title: 'GGUF File' });
    case 'hub': {
      const id = await vscode.window.showInputBox({
        title: 'Hub Id',
        prompt: 'The model is downloaded if it is not on this machine yet.',
        placeHolder: 'organization/name, or organization/name@revision',
        validateInput: refuseHubId,
      });
      return id === undefined ? undefined : { source: id.trim(), allowDownload: true };
    }
  }
}

async function browse(options: vscode.OpenDialogOptions): Promise<Chosen | undefined> {
  const chosen = await vscode.window.showOpenDialog({ ...options, canSelectMany: false, openLabel: 'Select' });
  return chosen?.[0] && { source: chosen[0].fsPath, allowDownload: false };
}

/** Loads a model as the settings say, in a notification that cancels it, as `cancel` does. Rejects with a `Failure`. */
export function loadModel(
  backend: Pick<Backend, 'request'>,
  { source, allowDownload }: Chosen,
  cancel?: Cancel,
): Thenable<unknown> {
  const { dtype, device } = readSettings();
  const params = { source, allowDownload, dtype, device };
  const options = { location: vscode.ProgressLocation.Notification, title: 'Loading the model', cancellable: true };
  return vscode.window.withProgress(options, async (progress, ended) => {
    let before = 0;
    const either = new CancelSource(ended, cancel);
    try {
      return await backend.request(LOAD_MODEL, params, {
        cancel: either.token,
        onProgress: ({ message, fraction }) => {
          const now = (fraction ?? 0) * 100;
          progress.report({ message, increment: Math.max(0, now - before) });
          before = Math.max(before, now);
        },
      });
    } finally {
      either.dispose();
    }
  });
}
