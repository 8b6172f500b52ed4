import * as vscode from 'vscode';
import type { App } from '../app';
import { analyzePrompt } from './analyzePrompt';

/** Why Not …?: opens the box for another token in the active panel, else in that of the prompt at the cursor. */
export function whyNot(app: App): () => Promise<void> {
  return async () => {
    const uri = vscode.window.activeTextEditor?.document.uri.toString();
    // the walkthrough may be in front, with the graph beside it
    const seen = uri === undefined ? app.panels.all().find(({ webviewPanel }) => webviewPanel.visible) : undefined;
    const inFront = app.panels.active() ?? seen;
    if (inFront?.shown) return inFront.whyNot();
    await analyzePrompt(app)();
    const isMeant = (shown: string | undefined) => uri === undefined || shown === uri;
    app.panels
      .all()
      .find((panel) => !panel.comparison && isMeant(panel.shown?.uri))
      ?.whyNot();
  };
}
