import * as vscode from 'vscode';
import { SHARED } from '../../shared/webview';
import type { App } from '../app';
import { runAction } from './actions';
import { exportGraph, panelMeant } from './exportGraph';

/** Share: what a panel shows, by one of the ways of its Share menu. */
export function share(app: App): () => Promise<void> {
  return async () => {
    const panel = panelMeant(app);
    if (!panel?.shown) {
      void vscode.window.showInformationMessage('Analyze a prompt first, then share its graph.');
      return;
    }
    const items = SHARED.map((item) => ({ label: item.label, description: item.hint, item }));
    const chosen = await vscode.window.showQuickPick(items, { title: 'Share', placeHolder: panel.shown.title });
    if (!chosen) return;
    const { action, format } = chosen.item;
    if (action) await runAction(app, action, panel);
    else await exportGraph(app)(format);
  };
}
