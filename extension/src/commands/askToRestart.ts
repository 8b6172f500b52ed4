import * as vscode from 'vscode';

const RESTART = 'Restart Backend';

/** Asks about a backend that makes no progress; true: restart it. Closing the question keeps waiting. */
export async function askToRestart(minutes: number): Promise<boolean> {
  const text = `The backend has made no progress for ${minutes} minutes. Keep waiting, or restart it?`;
  return (await vscode.window.showWarningMessage(text, 'Wait On', RESTART)) === RESTART;
}
