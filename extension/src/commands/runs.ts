import * as vscode from 'vscode';
import type { App } from '../app';
import { reportFailure } from './report';
import { panelMeant } from './exportGraph';
import { fileName } from '../panel/save';
import { contentOf, type Run } from '../runs/library';
import { EXTENSION_ID, linkTo } from '../runs/link';
import { openRun } from '../runs/open';
import { linkToPrompt } from '../runs/promptLink';
import { RUN_SUFFIX } from '../runs/runFile';
import { saveRun } from '../runs/save';
import { isGroup, labelOf, type Row } from '../runs/view';

const MESSAGE_MS = 3000;

type Name = 'openRun' | 'openRunFile' | 'saveRun' | 'copyRunLink' | 'copyPromptLink' | 'renameRun' | 'deleteRun';
type Command = (target?: unknown, selected?: unknown) => Promise<void>;

/** Commands on a run: of the view, of the active panel, or of a clicked row. */
export function runCommands(app: App, tree: Pick<vscode.TreeView<Row>, 'selection'>): Record<Name, Command> {
  const { runs, store } = app;
  /** The rows that are meant, as the files are now. */
  const rows = async (target: unknown, selected: unknown, alsoPanel = false): Promise<Run[]> => {
    const clicked = isRow(target) ? target : null;
    const others = Array.isArray(selected) ? (selected as unknown[]).filter(isRow) : [];
    // the selection counts only if it includes the clicked row
    const named = clicked === null ? [] : others.some((row) => isSame(row, clicked)) ? others : [clicked];
    if (named.length === 0 && alsoPanel) {
      const shown = panelMeant(app)?.shown;
      const run = shown && (await runs.byKept(shown.runId));
      if (run) return [run];
    }
    const meant = named.length > 0 ? named : tree.selection;
    const known = new Map((await runs.all()).map((run) => [run.uri.toString(), run]));
    return meant.flatMap((row) => (isGroup(row) ? [] : (known.get(row.uri.toString()) ?? [])));
  };
  const one =
    (act: (run: Run) => unknown, alsoPanel = false): Command =>
    async (target) => {
      const [run] = await rows(target, undefined, alsoPanel);
      try {
        if (run) await act(run);
        else void vscode.window.showInformationMessage('Choose a run in the view “Analyses” first.');
      } catch (error) {
        await reportFailure(app, error);
      }
    };

  return {
    openRun: one((run) => openRun(app, run)),
    openRunFile: one((run) => vscode.commands.executeCommand('vscode.open', run.uri)),
    saveRun: one((run) => saveRun(app, run), true),
    copyRunLink: one(async (run) => {
      if (!run.key) return;
      await vscode.env.clipboard.writeText(linkTo(run, vscode.env.uriScheme));
      vscode.window.setStatusBarMessage('LM Transparency: link copied', MESSAGE_MS);
    }, true),
    copyPromptLink: one(async (run) => {
      await vscode.env.clipboard.writeText(linkToPrompt(contentOf(run), EXTENSION_ID, vscode.env.uriScheme));
      vscode.window.setStatusBarMessage('LM Transparency: link copied', MESSAGE_MS);
    }, true),
    renameRun: one(async (run) => {
      const name = await askForName(run);
      if (name !== undefined && name !== run.name) await runs.rename(run, name);
    }),
    deleteRun: async (target, selected) => {
      try {
        const meant = await rows(target, selected);
        if (meant.length === 0 || !(await mayDelete(meant))) return;
        for (const run of meant) for (const kept of await runs.delete(run)) await store.drop(kept);
      } catch (error) {
        await reportFailure(app, error);
      }
    },
  };
}

function askForName(run: Run): Thenable<string | undefined> {
  const check = (text: string) => {
    const name = text.trim();
    if (name === '') return 'A run needs a name.';
    return fileName(`${name}${RUN_SUFFIX}`) === `${name}${RUN_SUFFIX}` ? null : 'This is not a valid file name.';
  };
  const box = { title: 'Rename Run', value: run.name, prompt: 'The name of its file', validateInput: check };
  return vscode.window.showInputBox(box).then((name) => name?.trim());
}

async function mayDelete(runs: readonly Run[]): Promise<boolean> {
  const [first] = runs;
  const what = runs.length === 1 && first ? `the run “${labelOf(first)}”` : `${runs.length} runs`;
  const files = runs.filter(({ saved }) => saved).map(({ uri }) => vscode.workspace.asRelativePath(uri));
  const detail = ['Analyze the prompt to get it again.', ...files.map((file) => `Deletes ${file}.`)].join('\n');
  const yes = 'Delete';
  return (await vscode.window.showWarningMessage(`Delete ${what}?`, { modal: true, detail }, yes)) === yes;
}

function isSame(a: Row, b: Row): boolean {
  return isGroup(a) || isGroup(b) ? a === b : a.uri.toString() === b.uri.toString();
}

function isRow(value: unknown): value is Row {
  if (typeof value !== 'object' || value === null) return false;
  return 'runs' in value || ('uri' in value && 'content' in value);
}
