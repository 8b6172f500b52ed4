import * as vscode from 'vscode';
import type { PanelAction } from '../../shared/webview';
import type { App } from '../app';
import type { Panel } from '../panel/panel';
import { analyzeAgain } from './analyzePrompt';
import { FROM_PANEL } from './offerAnalysis';

/** What the buttons of the panel and of notifications do. */
export async function runAction(app: App, action: PanelAction, panel?: Panel): Promise<void> {
  switch (action) {
    case 'analyze':
    case 'retry':
      if (panel) return analyzeAgain(app, panel);
      await vscode.commands.executeCommand('lmTransparency.analyzePrompt');
      return;
    case 'cancel':
      return app.analyses.cancel(panel);
    case 'dismiss':
      return panel?.dismiss();
    case 'showLog':
      return app.log.show();
    case 'setUpBackend':
    case 'selectModel':
    case 'selectDevice':
    case 'selectDtype':
    case 'restartBackend':
    case 'connectRemote':
    case 'setUpRemote':
    case 'useLocalBackend': {
      const from = panel ? [FROM_PANEL] : [];
      const succeeded = await vscode.commands.executeCommand<boolean>(`lmTransparency.${action}`, ...from);
      if (!succeeded || !panel) return;
      // the model that was chosen just now counts, and not the one that was compared by
      const isNew = panel.comparison !== null && action === 'selectModel';
      if (isNew) panel.comparison = { source: null };
      // one that was under way has begun again by itself
      if (!isNew && app.analyses.jobs.some((job) => job.panel === panel && !job.follows)) return;
      return analyzeAgain(app, panel);
    }
    case 'unloadModel':
      await vscode.commands.executeCommand('lmTransparency.unloadModel');
      return;
    case 'choosePrompt':
      await vscode.commands.executeCommand('lmTransparency.choosePrompt', panel?.uri ?? undefined);
      return;
    case 'openSettings':
      await vscode.commands.executeCommand('workbench.action.openSettings', 'lmTransparency');
      return;
    case 'stopFit':
      return app.fits.stop();
    case 'fitLens':
    case 'saveRun':
    case 'copyPromptLink':
      // the panel is the active one: it was clicked
      await vscode.commands.executeCommand(`lmTransparency.${action}`);
      return;
    case 'manageTrust':
      await vscode.commands.executeCommand('workbench.trust.manage');
      return;
  }
}
