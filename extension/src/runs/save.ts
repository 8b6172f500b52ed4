import * as vscode from 'vscode';
import type { EffectsResult } from '../../shared/protocol';
import { Failure } from '../failure';
import { CancelSource } from '../cancel';
import type { Analyses } from '../panel/analyses';
import type { Panel } from '../panel/panel';
import type { Panels } from '../panel/panels';
import { DESCRIBE, describedBy, describing } from './keep';
import { contentOf, type Run, type Runs } from './library';
import { RUN_FOLDER, RUN_SUFFIX, withOrigin } from './runFile';

/** What saving a run needs of the extension. */
export interface SavingWorld {
  analyses: Pick<Analyses, 'ask'>;
  panels: Pick<Panels, 'all'>;
  runs: Runs;
}

/**
 * Saves a run beside its prompt, for others to read, to compare and to run again: with the view its panel shows, and the
 * effects that are known there.
 */
export async function saveRun(app: SavingWorld, run: Run): Promise<void> {
  const content = contentOf(run);
  const { document } = run;
  if (!document || document.scheme === 'untitled')
    throw new Failure('noDocument', 'The prompt of this run is in no file.', 'Save the prompt, and analyze it there.');
  const panel = app.panels.all().find(({ shown }) => run.kept !== null && shown?.runId === run.kept);
  const text =
    panel && (isAnotherView(panel, run) || effectsAt(panel))
      ? await describedAnew(app, panel)
      : Buffer.from(await vscode.workspace.fs.readFile(run.uri)).toString('utf8');
  if (text === null) return;
  const { start = 0, end = content.prompt.length } = content.origin ?? {};
  const name = document.path.split('/').at(-1) ?? '';
  const folder = vscode.Uri.joinPath(document, '..', RUN_FOLDER);
  const file = run.saved ? run.uri : await freeFile(app, folder, run);
  await vscode.workspace.fs.createDirectory(folder);
  await app.runs.write(file, withOrigin(text, { file: `../${name}`, start, end }));
  const show = 'Open as Text';
  const said = `Saved ${vscode.workspace.asRelativePath(file)}.`;
  void vscode.window.showInformationMessage(said, show).then((answer) => {
    if (answer === show) void vscode.commands.executeCommand('vscode.open', file);
  });
}

/** Whether the panel's target or threshold differs from the file's. */
function isAnotherView({ view }: Panel, { content, saved }: Run): boolean {
  if (!view || !content) return false;
  // what is kept without being asked for has the threshold that was chosen by itself
  const sameThreshold = view.threshold === 'auto' ? !saved : Math.abs(view.threshold - content.threshold) < 1e-6;
  return !sameThreshold || view.target !== content.target || view.renormalize !== content.renormalize;
}

/** The effects on the panel's target. */
function effectsAt({ shown, view }: Panel): EffectsResult | null {
  return shown?.effects && shown.effects.position === view?.target ? shown.effects : null;
}

/** The run with the panel's target, threshold and effects; null when the person did not wait for it. */
async function describedAnew({ analyses }: Pick<SavingWorld, 'analyses'>, panel: Panel): Promise<string | null> {
  const { shown, view } = panel;
  if (!shown || !view) return null;
  const params = {
    ...describing(shown.runId, shown.asked),
    target: view.target,
    threshold: view.threshold === 'auto' ? null : view.threshold,
    renormalize: view.renormalize,
    effects: effectsAt(panel),
  };
  const location = vscode.ProgressLocation.Notification;
  const options = { location, title: 'Saving the run', cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const source = new CancelSource(token);
    try {
      const say = ({ message }: { message: string }) => progress.report({ message });
      return describedBy(await analyses.ask(panel, { method: DESCRIBE, params }, source.token, say));
    } catch (error) {
      if (token.isCancellationRequested) return null;
      throw error;
    } finally {
      source.dispose();
    }
  });
}

/** A file of the folder that is not another run's. */
async function freeFile(
  { runs }: Pick<SavingWorld, 'runs'>,
  folder: vscode.Uri,
  { name, key }: Run,
): Promise<vscode.Uri> {
  for (let number = 1; ; number += 1) {
    const file = vscode.Uri.joinPath(folder, `${name}${number > 1 ? `-${number}` : ''}${RUN_SUFFIX}`);
    const exists = await vscode.workspace.fs.stat(file).then(
      () => true,
      () => false,
    );
    if (!exists || (await runs.readAt(file)).key === key) return file;
  }
}
