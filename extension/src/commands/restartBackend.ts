import * as vscode from 'vscode';
import type { App } from '../app';
import { reportFailure } from './report';

/** Restart Backend; resolves with whether it runs again. */
export function restartBackend(app: App): () => Promise<boolean> {
  return async () => {
    app.analyses.cancel();
    app.choice.keepUnloaded();
    const options = {
      location: vscode.ProgressLocation.Notification,
      title: 'Restarting the LM Transparency backend',
      cancellable: true,
    };
    try {
      await vscode.window.withProgress(options, async (_, token) => {
        const stopping = token.onCancellationRequested(() => void app.backend.stop());
        await app.backend.restart().finally(() => stopping.dispose());
      });
      return true;
    } catch (error) {
      await reportFailure(app, error);
      return false;
    }
  };
}
