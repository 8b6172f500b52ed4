import * as vscode from 'vscode';
import type { App } from '../app';
import { isCancelled, toFailure } from '../failure';
import type { Panel } from '../panel/panel';
import { promptAt } from '../prompts/ask';
import { openText, selectionAt } from '../prompts/subject';
import { reportFailure } from './report';
import { loadModel } from './selectModel';

const NOTHING = 'Open a file with a prompt first. Heat shows where flow arrives in it and what surprises the model.';

/** A document, an offset in it, and its panel if there is one. */
interface Meant {
  document: vscode.TextDocument;
  offset: number;
  panel: Panel | undefined;
}

/** Next Heat: flow into the target where the prompt is analyzed, then surprisal, then none. */
export function nextHeat(app: App): () => Promise<void> {
  return async () => {
    const meant = await documentMeant(app);
    if (!meant) return void vscode.window.showInformationMessage(NOTHING);
    const { document, offset, panel } = meant;
    const uri = document.uri.toString();
    if (app.surprisal.shownIn(uri)) return app.surprisal.hide(uri);
    if (panel && !app.marks.isHeated(panel)) return panel.showHeat(true);
    panel?.showHeat(false);
    await showSurprisal(app, document, offset);
  };
}

/** Hide Heat: takes all heat off all texts. */
export function hideHeat(app: App): () => void {
  return () => {
    for (const panel of app.panels.all()) if (app.marks.isHeated(panel)) panel.showHeat(false);
    for (const { document } of vscode.window.visibleTextEditors) app.surprisal.hide(document.uri.toString());
  };
}

async function showSurprisal(app: App, document: vscode.TextDocument, offset: number): Promise<void> {
  try {
    await app.surprisal.show(document, offset);
  } catch (error) {
    if (toFailure(error).kind !== 'modelNotFound') return reportFailure(app, error);
    // available only for a loaded model, and the user has asked for it
    try {
      const { settings } = await promptAt(app.backend, document, selectionAt(document, offset));
      const { model, allowDownload } = app.choice.settingsFor(document.uri);
      const { pending } = app.choice;
      if (pending && settings.model === null) await pending.loaded;
      else await loadModel(app.backend, { source: settings.model ?? model, allowDownload });
      await app.surprisal.show(document, offset);
    } catch (failed) {
      if (!isCancelled(toFailure(failed))) await reportFailure(app, failed);
    }
  }
}

async function documentMeant(app: App): Promise<Meant | null> {
  const active = app.panels.active();
  const editor = vscode.window.activeTextEditor;
  const uri = active?.uri ?? editor?.document.uri;
  const document = uri && (await openText(uri));
  if (!document) return null;
  const isOf = (panel: Panel) => panel.uri?.toString() === document.uri.toString() && panel.shown !== null;
  const panel = active ?? app.panels.all().find((one) => isOf(one) && !one.comparison);
  const visible = vscode.window.visibleTextEditors.find((one) => one.document === document);
  const cursor = visible && document.offsetAt(visible.selection.active);
  return { document, offset: cursor ?? panel?.shown?.place.start ?? 0, panel: panel?.shown ? panel : undefined };
}
