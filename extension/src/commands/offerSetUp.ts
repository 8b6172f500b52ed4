import * as vscode from 'vscode';
import type { App } from '../app';
import type { Panel } from '../panel/panel';
import { runAction } from './actions';

/** Offers set-up once per window, in addition to the panel's button. */
export function offerSetUp(app: App): (panel: Panel) => Promise<void> {
  let offered = false;
  return async (panel) => {
    if (offered) return;
    offered = true;
    const setUp = 'Set Up Backend';
    const choose = 'Choose an Interpreter';
    const text =
      'LM Transparency runs models in Python. It can set up its own environment now, or use an interpreter that has lm-transparency installed.';
    const chosen = await vscode.window.showInformationMessage(text, setUp, choose);
    if (chosen === setUp) await runAction(app, 'setUpBackend', panel);
    if (chosen === choose)
      await vscode.commands.executeCommand('workbench.action.openSettings', 'lmTransparency.backend.python');
  };
}
