import type * as vscode from 'vscode';
import type { Backend } from './backend/backend';
import type { Environments } from './setUp/environment';
import type { Bundle } from './setUp/wheel';
import type { ModelChoice } from './models/modelChoice';
import type { LensFits } from './models/lensFits';
import type { RecentModels } from './models/recentModels';
import type { TokenMarks } from './editor/tokenMarks';
import type { Surprisal } from './editor/surprisal';
import type { LiveMode } from './live/liveMode';
import type { Analyses } from './panel/analyses';
import type { Panels } from './panel/panels';
import type { ResultStore } from './panel/resultStore';
import type { Targets } from './remote/target';
import type { Runs } from './runs/library';
import type { Log } from './log';
import type { Settings } from './settings';

/** The parts of the running extension that commands work with. */
export interface App {
  backend: Backend;
  analyses: Analyses;
  panels: Panels;
  store: ResultStore;
  runs: Runs;
  marks: TokenMarks;
  surprisal: Surprisal;
  environments: Environments;
  recent: RecentModels;
  choice: ModelChoice;
  fits: LensFits;
  live: Pick<LiveMode, 'follows'>;
  targets: Targets;
  log: Log;
  /** The extension's own package.json. */
  manifest: { version: string; bugs?: { url: string } };
  /** Where the extension itself is. */
  extensionUri: vscode.Uri;
  /** A folder of our own on this machine. */
  storage: string;
  settingsFor(uri: vscode.Uri): Settings;
  bundle(): Promise<Bundle | null>;
  /** Looks up the interpreter that the Python extension has selected. */
  selectedPython(): Promise<string | null>;
}
