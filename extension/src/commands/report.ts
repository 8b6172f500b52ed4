import * as vscode from 'vscode';
import { isCancelled, toFailure } from '../failure';
import { actionsFor } from '../panel/failureMessage';
import { runAction } from './actions';
import type { App } from '../app';

/** Shows a failure that has no panel, with helpful buttons; cancellations are not shown. */
export async function reportFailure(app: App, error: unknown): Promise<void> {
  const failure = toFailure(error);
  if (isCancelled(failure)) return;
  app.log.error(failure.message);
  const actions = actionsFor(failure).filter(({ action }) => action !== 'retry' && action !== 'analyze');
  const text = [failure.message, failure.remedy].filter(Boolean).join(' ');
  const chosen = await vscode.window.showErrorMessage(text, ...actions.map(({ label }) => label));
  const action = actions.find(({ label }) => label === chosen)?.action;
  if (action) await runAction(app, action);
}
