import type * as vscode from 'vscode';
import type { Backend } from './backend/backend';
import type { Environments } from './backend/environment';
import type { Bundle } from './backend/wheel';
import type { RecentModels } from './commands/recentModels';
import type { Analyses } from './panel/analyses';
import type { Panels } from './panel/panels';
import type { Targets } from './remote/target';

/** The parts of the running extension that commands work with. */
export interface App {
  backend: Backend;
  analyses: Analyses;
  panels: Panels;
  environments: Environments;
  recent: RecentModels;
  targets: Targets;
  log: vscode.LogOutputChannel;
  /** Where the extension itself is. */
  extensionUri: vscode.Uri;
  /** A folder of our own on this machine. */
  storage: string;
  bundle(): Promise<Bundle | null>;
  /** Looks up the interpreter that the Python extension has selected. */
  selectedPython(): Promise<string | null>;
}
