import path from 'node:path';
import * as vscode from 'vscode';
import type { App } from '../app';
import { toFailure } from '../failure';
import { askedBy, meansTheSame } from '../panel/asked';
import type { Panel } from '../panel/panel';
import { NOTHING_SET, promptAt } from '../prompts/ask';
import { isPromptLanguage } from '../languages';
import { analyzeAgain } from './analyzePrompt';
import { openText, selectionAt } from '../prompts/subject';

const MESSAGE_MS = 4000;

/** The argument of commands that a panel's button runs: it analyzes again by itself. */
export const FROM_PANEL = 'panel';

interface Meant {
  document: vscode.TextDocument;
  selection: vscode.Selection | null;
  panel: Panel | undefined;
}

/**
 * After a choice: offers the prompt that is open for analysis. Not where it is being analyzed, is shown as it would be
 * now, or follows what is typed. `said`: what was chosen. `isSilent`: nothing is said where nothing is shown of it.
 */
export async function offerAnalysis(app: App, said: string, isSilent = false): Promise<void> {
  const meant = await promptMeant(app);
  if (isSilent && !meant?.panel?.shown) return;
  const words = meant && !isFollowed(app, meant) ? await offerFor(app, meant) : null;
  if (!meant || words === null) return void vscode.window.setStatusBarMessage(`LM Transparency: ${said}`, MESSAGE_MS);
  const title = path.posix.basename(meant.document.uri.path) || 'Untitled';
  const analyze = `Analyze ${title}`;
  const text = [`${said}.`, words].filter(Boolean).join(' ');
  const chosen = await vscode.window.showInformationMessage(text, ...(words === '' ? [analyze] : []));
  if (chosen !== analyze) return;
  if (meant.panel) return analyzeAgain(app, meant.panel);
  await app.analyses.run({ document: meant.document, selection: meant.selection });
}

function isFollowed(app: App, { document }: Meant): boolean {
  const uri = document.uri.toString();
  return app.choice.pending !== null || app.live.follows(uri) || app.analyses.jobs.some((job) => job.uri === uri);
}

/** Empty: the new choice changes the analysis, so it is offered. A sentence says why not; null: nothing to say. */
async function offerFor(app: App, { document, selection, panel }: Meant): Promise<string | null> {
  try {
    const isThere = app.backend.sessionId !== null;
    // a prompt's file is no reason to start a backend
    const settings = isThere ? (await promptAt(app.backend, document, selection)).settings : panel?.shown?.settings;
    const asked = askedBy(app.choice.settingsFor(document.uri), settings ?? NOTHING_SET);
    if (panel?.shown && meansTheSame(panel.shown.asked, asked)) {
      return settings?.model ? `This prompt names its own model: ${settings.model}.` : null;
    }
    return '';
  } catch (error) {
    app.log.info(`no analysis is offered: ${toFailure(error).message}`);
    return null;
  }
}

/** The prompt of the active panel, otherwise of the active editor, otherwise of a visible editor. */
async function promptMeant(app: App): Promise<Meant | null> {
  const own = app.panels.all().filter((panel) => !panel.comparison);
  const panelOf = (uri: vscode.Uri) => own.find((panel) => panel.uri?.toString() === uri.toString());
  const front = app.panels.active();
  if (front?.uri) {
    const document = await openText(front.uri);
    const start = front.shown?.place.start;
    const selection = document && start !== undefined ? selectionAt(document, start) : null;
    return document && { document, selection, panel: front.comparison ? panelOf(front.uri) : front };
  }
  const { activeTextEditor, visibleTextEditors } = vscode.window;
  const editors = [...(activeTextEditor ? [activeTextEditor] : []), ...visibleTextEditors];
  const editor = editors.find(
    ({ document }) => isPromptLanguage(document.languageId) || panelOf(document.uri) !== undefined,
  );
  if (!editor) return null;
  const { document, selection } = editor;
  return { document, selection, panel: panelOf(document.uri) };
}
