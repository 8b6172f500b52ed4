import * as vscode from 'vscode';
import type { Backend, BackendStatus } from '../backend/backend';
import { heldView, statusView } from '../backend/health';
import type { Analyses } from '../panel/analyses';
import type { Panel } from '../panel/panel';
import type { Targets } from '../remote/target';
import { PROMPT_LANGUAGES } from '../languages';
import { readSettings } from '../settings';

const SELECTOR: vscode.DocumentSelector = [...PROMPT_LANGUAGES, 'markdown', 'plaintext'];
const SEVERITY = {
  information: vscode.LanguageStatusSeverity.Information,
  warning: vscode.LanguageStatusSeverity.Warning,
  error: vscode.LanguageStatusSeverity.Error,
} as const;
/** How long something may take before it is shown. */
const PATIENCE_MS = 1000;
const MEMORY_SETTING = 'lmTransparency.traces.memoryMb';

/** The language status item, and while an analysis takes its time an entry in the status bar that cancels it. */
export function showStatus(backend: Backend, analyses: Analyses, targets: Targets): vscode.Disposable {
  const item = vscode.languages.createLanguageStatusItem('lmTransparency.status', SELECTOR);
  item.name = 'LM Transparency';
  // a separate row: a long text is cut off
  let held: vscode.LanguageStatusItem | undefined;
  const updateHeld = () => {
    const view = heldView(backend.status);
    if (!view) {
      held?.dispose();
      held = undefined;
      return;
    }
    held ??= vscode.languages.createLanguageStatusItem('lmTransparency.held', SELECTOR);
    held.name = 'LM Transparency: Memory';
    held.text = view.text;
    held.detail = view.detail;
    held.command = { command: 'workbench.action.openSettings', title: 'Limit', arguments: [MEMORY_SETTING] };
  };
  const update = () => {
    const view = statusView(backend.status, readSettings().model, targets.current);
    item.text = view.text;
    item.detail = view.detail;
    item.severity = SEVERITY[view.severity];
    item.busy = view.busy;
    item.command = { command: view.command.id, title: view.command.title };
    updateHeld();
  };
  let shown = '';
  let settling: NodeJS.Timeout | undefined;
  // VS Code draws the eye to each change; that a request came and went is none, and in live mode there is one a key
  const settle = ({ phase, health }: BackendStatus) => {
    clearTimeout(settling);
    const now = `${phase} ${health?.state === 'busy' ? 'ready' : health?.state}`;
    if (now === shown) settling = setTimeout(update, PATIENCE_MS);
    else update();
    shown = now;
  };
  const move = () => {
    update();
    void vscode.commands.executeCommand('setContext', 'lmTransparency.remote', targets.current !== null);
  };
  move();
  return vscode.Disposable.from(
    item,
    { dispose: () => held?.dispose() },
    { dispose: () => clearTimeout(settling) },
    backend.changed.listen(settle),
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
  let wasAnalyzing = false;
  const listening = analyses.changed.listen((jobs) => {
    const isAnalyzing = jobs.length > 0;
    if (isAnalyzing !== wasAnalyzing)
      void vscode.commands.executeCommand('setContext', 'lmTransparency.analyzing', isAnalyzing);
    wasAnalyzing = isAnalyzing;
    // the panel shows runs that follow typing: a spinner at every keystroke would distract
    const job = jobs.find(({ follows }) => !follows);
    if (!job) {
      clearTimeout(timer);
      timer = undefined;
      item.hide();
      return;
    }
    item.text = `$(sync~spin) ${job.title}: ${job.message}`;
    timer ??= setTimeout(() => {
      item.show();
      const hidden = analyses.jobs.filter(({ panel, follows }) => !follows && !panel.webviewPanel.visible);
      for (const slow of hidden) void notify(analyses, slow.panel);
    }, PATIENCE_MS);
  });
  return vscode.Disposable.from(item, listening, { dispose: () => clearTimeout(timer) });
}

/** A notification for an analysis whose panel is out of sight. */
function notify(analyses: Analyses, panel: Panel): Thenable<void> {
  const find = () => analyses.jobs.find((job) => job.panel === panel);
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
