import * as vscode from 'vscode';
import type { App } from '../app';
import { panelMeant } from './exportGraph';

/** Toggle Heat: shows the flow on the prompt's text, or takes it away. */
export function toggleHeat(app: App): () => void {
  return () => {
    const panel = panelMeant(app);
    if (panel?.shown) panel.toggleHeat();
    else void vscode.window.showInformationMessage('Analyze a prompt first; its heat shows where the flow arrives.');
  };
}
