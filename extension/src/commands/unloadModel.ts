import * as vscode from 'vscode';
import type { App } from '../app';
import { UNLOAD_MODEL } from '../../shared/protocol';
import { sizeText } from '../words';
import { reportFailure } from './report';

/** Unload Model: frees the memory of one loaded model, or of all; resolves with whether it was. */
export function unloadModel(app: App): () => Promise<boolean> {
  return async () => {
    const loaded = app.backend.status.health?.loaded ?? [];
    if (app.backend.sessionId === null || loaded.length === 0) {
      void vscode.window.showInformationMessage('No model is loaded.');
      return false;
    }
    const source = await pick(loaded);
    if (source === undefined) return false;
    const options = { location: vscode.ProgressLocation.Notification, title: 'Unloading', cancellable: true };
    try {
      await vscode.window.withProgress(options, (_, cancel) =>
        app.backend.request(UNLOAD_MODEL, { source }, { cancel }),
      );
      vscode.window.setStatusBarMessage('LM Transparency: model unloaded', 4000);
      return true;
    } catch (error) {
      await reportFailure(app, error);
      return false;
    }
  };
}

async function pick(
  loaded: readonly { source: string; name: string; device: string; memoryBytes: number }[],
): Promise<string | undefined> {
  if (loaded.length === 1) return loaded[0]?.source;
  const models = loaded.map(({ source, name, device, memoryBytes }) => ({
    label: name,
    description: [device, sizeText(memoryBytes)].filter(Boolean).join(' · '),
    source,
  }));
  const chosen = await vscode.window.showQuickPick([...models, { label: 'All models', source: '' }], {
    title: 'Unload Model',
    placeHolder: 'Which model should be unloaded?',
  });
  return chosen?.source;
}
