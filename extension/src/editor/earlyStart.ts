import * as vscode from 'vscode';
import type { Backend } from '../backend/backend';
import { toFailure } from '../failure';
import { isPromptLanguage } from '../languages';
import type { Targets } from '../remote/target';
import { readSettings } from '../settings';

/**
 * Starts the backend when a prompt file is open, so that hovers are available before the first analysis.
 *
 * Silent: nothing is asked, and no model is loaded. One that cannot start is not tried again, and one on another
 * machine is not woken up: it may cost a job there.
 */
export class EarlyStart implements vscode.Disposable {
  readonly #listening: vscode.Disposable;

  constructor(
    private readonly backend: Pick<Backend, 'status' | 'start'>,
    private readonly targets: Pick<Targets, 'current'>,
    private readonly log: (line: string) => void,
  ) {
    this.#listening = vscode.workspace.onDidOpenTextDocument(() => this.look());
    this.look();
  }

  /** Looks whether there is a reason to start. */
  look(): void {
    if (!vscode.workspace.isTrusted || this.targets.current || this.backend.status.phase !== 'stopped') return;
    if (!vscode.workspace.textDocuments.some(({ languageId }) => isPromptLanguage(languageId))) return;
    if (!readSettings().startsEarly) return;
    this.backend.start().catch((error: unknown) => this.log(`not started early: ${toFailure(error).message}`));
  }

  dispose(): void {
    this.#listening.dispose();
  }
}
