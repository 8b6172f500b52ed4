import * as vscode from 'vscode';
import type { RecordResult } from '../../shared/protocol';
import { recordingOf } from '../../shared/webview';
import { CancelSource } from '../cancel';
import { Failure, toFailure } from '../failure';
import { fillPage } from './htmlPage';
import type { Panel, PanelEvents } from './panel';
import { saveFile } from './save';

const RECORD = 'lmTransparency/record';

/** What saving a page needs of the extension. */
export interface PageWorld {
  extensionUri: vscode.Uri;
  ask: PanelEvents['ask'];
}

/** Saves what the panel shows as one page that opens without an editor, with the answers that its views need. */
export async function savePage({ extensionUri, ask }: PageWorld, panel: Panel): Promise<void> {
  const { shown, view } = panel;
  if (!shown) return;
  if (panel.isFilling) {
    throw new Failure(
      'incomplete',
      'The page covers every token, and some routes are still being computed. Save it when they are done.',
    );
  }
  const template = await vscode.workspace.fs.readFile(
    vscode.Uri.joinPath(extensionUri, 'dist', 'webview', 'page.html'),
  );
  const found = await recorded(ask, panel, shown);
  if (!found) return;
  const { title, runId, payload, effects } = shown;
  const { answers } = found;
  const page = fillPage(Buffer.from(template).toString('utf8'), { title, runId, payload, view, effects, answers });
  await saveFile(`${title.replace(/\.[^.]*$/, '')}.html`, Buffer.from(page, 'utf8'), panel.uri);
  if (found.problem !== null) {
    void vscode.window.showWarningMessage(
      `The page has the graph, but no answers about what is opened in it: ${found.problem}`,
    );
  }
}

/** The answers, or why there are none; null when the person did not wait for them. */
async function recorded(
  ask: PanelEvents['ask'],
  panel: Panel,
  { runId, effects }: NonNullable<Panel['shown']>,
): Promise<{ answers: string | null; problem: string | null } | null> {
  const params = recordingOf(runId, panel.view, effects);
  const options = {
    ...{ location: vscode.ProgressLocation.Notification, cancellable: true },
    title: 'Collecting answers for the page',
  };
  return vscode.window.withProgress(options, async (progress, token) => {
    const source = new CancelSource(token);
    try {
      const say = ({ message }: { message: string }) => progress.report({ message });
      const { answers } = (await ask(panel, { method: RECORD, params }, source.token, say)) as RecordResult;
      return { answers, problem: null };
    } catch (error) {
      return token.isCancellationRequested ? null : { answers: null, problem: toFailure(error).message };
    } finally {
      source.dispose();
    }
  });
}
