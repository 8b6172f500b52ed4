import * as vscode from 'vscode';
import type { Backend } from './backend/backend';
import { statusView } from './backend/health';
import type { Analyses } from './panel/analyses';
import type { Targets } from './remote/target';
import { readSettings } from './settings';

const SELECTOR: vscode.DocumentSelector = [
  { language: 'lm-prompt' },
  { language: 'lm-prompts' },
  { language: 'markdown' },
  { language: 'plaintext' },
];
const SEVERITY = {
  information: vscode.LanguageStatusSeverity.Information,
  warning: vscode.LanguageStatusSeverity.Warning,
  error: vscode.LanguageStatusSeverity.Error,
} as const;
const PATIENCE_MS = 1000;

/** The language status item, and while an analysis takes its time an entry in the status bar that cancels it. */
export function showStatus(backend: Backend, analyses: Analyses, targets: Targets): vscode.Disposable {
  const item = vscode.languages.createLanguageStatusItem('lmTransparency.status', SELECTOR);
  item.name = 'LM Transparency';
  const update = () => {
    const view = statusView(backend.status, readSettings().model, targets.current);
    item.text = view.text;
    item.detail = view.detail;
    item.severity = SEVERITY[view.severity];
    item.busy = view.busy;
    item.command = { command: view.command.id, title: view.command.title };
  };
  const move = () => {
    update();
    void vscode.commands.executeCommand('setContext', 'lmTransparency.remote', targets.current !== null);
  };
  move();
  return vscode.Disposable.from(
    item,
    backend.changed.listen(update),
    targets.changed.listen(move),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration('lmTransparency') && update()),
    showBusy(analyses),
  );
}

function showBusy(analyses: Analyses): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('lmTransparency.busy', vscode.StatusBarAlignment.Left);
  item.name = 'LM Transparency: Analysis';
  item.command = 'lmTransparency.cancel';
  item.tooltip = 'Click to cancel the analysis';
  let timer: NodeJS.Timeout | undefined;
  const listening = analyses.changed.listen(([job]) => {
    void vscode.commands.executeCommand('setContext', 'lmTransparency.analyzing', job !== undefined);
    if (!job) {
      clearTimeout(timer);
      timer = undefined;
      item.hide();
      return;
    }
    item.text = `$(sync~spin) ${job.title}: ${job.message}`;
    timer ??= setTimeout(() => {
      item.show();
      for (const slow of analyses.jobs) if (!slow.panel.webviewPanel.visible) void notify(analyses, slow.uri);
    }, PATIENCE_MS);
  });
  return vscode.Disposable.from(item, listening, { dispose: () => clearTimeout(timer) });
}

/** A notification for an analysis whose panel is out of sight. */
function notify(analyses: Analyses, uri: string): Thenable<void> {
  const find = () => analyses.jobs.find((job) => job.uri === uri);
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Analyzing ${find()?.title ?? ''}`,
    cancellable: true,
  };
  return vscode.window.withProgress(options, (progress, token) => {
    token.onCancellationRequested(() => find()?.cancel());
    return new Promise<void>((resolve) => {
      const listening = analyses.changed.listen(() => {
        const job = find();
        if (job) return progress.report({ message: job.message });
        listening.dispose();
        resolve();
      });
    });
  });
}
