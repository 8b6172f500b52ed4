import path from 'node:path';
import * as vscode from 'vscode';
import type { ViewState } from '../../shared/webview';
import type { Analyses, Chosen } from '../panel/analyses';
import type { Panels } from '../panel/panels';
import { NOTHING_SET } from '../prompts/ask';
import { placeAt } from '../prompts/place';
import type { ResultStore } from '../panel/resultStore';
import type { Settings } from '../settings';
import { contentOf, type Run } from './library';
import type { RunContent } from './runFile';

/** What opening a run needs of the extension. */
export interface RunWorld {
  analyses: Pick<Analyses, 'runAgain'>;
  panels: Pick<Panels, 'all' | 'open'>;
  store: Pick<ResultStore, 'get'>;
  settingsFor(uri: vscode.Uri): Settings;
}

/**
 * Shows a run in the panel of its document: at once where the whole analysis is kept, else by analyzing once more, if
 * `mayAnalyze` says so.
 */
export async function openRun(
  { analyses, panels, store, settingsFor }: RunWorld,
  run: Run,
  mayAnalyze: (content: RunContent) => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  const content = contentOf(run);
  const open = panels.all().find(({ shown }) => run.kept !== null && shown?.runId === run.kept);
  if (open) return open.reveal();
  const uri = run.document ?? run.uri;
  const title = path.posix.basename(uri.path);
  const result = run.kept === null ? null : await store.get(run.kept);
  if (result) {
    const effects = (run.saved ? content.effects : null) ?? result.effects;
    const shown = { ...result, uri: uri.toString(), title, effects };
    panels.open(uri, title).showResult(shown, run.saved ? viewOf(content) : null);
    return;
  }
  if (await mayAnalyze(content)) await analyses.runAgain(uri, title, chosenBy(run, content, settingsFor(uri)));
}

/** A saved run is shown as it was saved. */
function viewOf({ target, threshold, renormalize }: RunContent): Partial<ViewState> {
  return { target, threshold, renormalize };
}

/** The prompt as it was asked about; where it is computed, and what may be fetched, is this machine's to say. */
function chosenBy({ saved, document }: Run, content: RunContent, settings: Settings): Chosen {
  const { prompt, asked, origin, threshold, renormalize } = content;
  const open = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === document?.toString());
  const { dtype, specialTokens, topK, chat } = asked;
  const { allowDownload, device } = settings;
  const own = saved ? undefined : origin?.source;
  const source = own ?? sourceOf(asked.model, settings.model);
  return {
    prompt,
    asked: { source, allowDownload, dtype, device, specialTokens, topK, chat },
    place: placeAt(open?.getText() ?? '', origin?.start ?? 0, prompt),
    settings: { ...NOTHING_SET, ...(saved && { threshold, renormalize }) },
    isComparison: false,
  };
}

const HUB_ID = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?$/;

// a saved file may come from anywhere: it names a hub id, or the model of this machine that is set and called the same
export function sourceOf(name: string, set: string): string {
  const plain = HUB_ID.test(name) ? name : (name.split(/[\\/]/).at(-1) ?? '');
  return set !== '' && path.basename(set) === plain ? set : plain;
}
