import * as vscode from 'vscode';
import type { Dtype, SpecialTokens } from '../shared/protocol';
import type { SshSettings } from './link/ssh';

/** The settings under `lmTransparency`, checked: a settings file may hold anything. */
export interface Settings {
  python: string;
  pipArguments: string[];
  model: string;
  allowDownload: boolean;
  device: string;
  dtype: Dtype;
  specialTokens: SpecialTokens;
  topK: number;
  /** Milliseconds after the last keystroke before live mode analyzes. */
  liveDelay: number;
  /** How many drawn edges are measured behind the drawing; 0: none. */
  measuredEdges: number;
  /** Minutes without work after which a backend unloads the model; 0: never. */
  idleMinutes: number;
  /** An analysis estimated to take longer or more memory needs confirmation; 0: never ask. */
  askAboveSeconds: number;
  askAboveMb: number;
  /** Whether the newline that ends a file belongs to its last prompt. */
  keepTrailingNewline: boolean;
  /** Whether an open prompt file starts the backend. */
  startsEarly: boolean;
  ssh: SshSettings;
  /** Settings per host. */
  remoteHosts: Record<string, HostSettings>;
}

/** An interpreter, and a command before it, such as srun; both as on the host. */
export interface HostSettings {
  python: string;
  wrapper: string[];
}

export const SECTION = 'lmTransparency';

export const DTYPES: readonly Dtype[] = ['auto', 'float32', 'bfloat16', 'float16'];
export const SPECIAL_TOKENS: readonly SpecialTokens[] = ['auto', 'bos', 'none'];

export function readSettings(scope?: vscode.Uri): Settings {
  const section = vscode.workspace.getConfiguration(SECTION, scope);
  return checkSettings((key) => section.get<unknown>(key));
}

/** Reads settings from raw values; a value of the wrong kind counts as unset. */
export function checkSettings(get: (key: string) => unknown): Settings {
  const text = (key: string) => {
    const value = get(key);
    return typeof value === 'string' ? value.trim() : '';
  };
  const oneOf = <T extends string>(key: string, values: readonly T[], otherwise: T) =>
    values.find((value) => value === get(key)) ?? otherwise;
  const amount = (key: string, otherwise: number) => {
    const value = get(key);
    return typeof value === 'number' && value >= 0 ? value : otherwise;
  };
  const pip = get('backend.pipArguments');
  const topK = get('topK');
  const liveDelay = get('live.delay');
  const measured = amount('effects.measure', 60);
  return {
    python: text('backend.python'),
    pipArguments: Array.isArray(pip) ? pip.filter((item) => typeof item === 'string') : [],
    model: text('model'),
    allowDownload: get('models.allowDownload') === true,
    device: text('device') || 'auto',
    dtype: oneOf('dtype', DTYPES, 'auto'),
    specialTokens: oneOf('specialTokens', SPECIAL_TOKENS, 'auto'),
    topK: typeof topK === 'number' && Number.isInteger(topK) ? Math.min(100, Math.max(1, topK)) : 10,
    liveDelay: typeof liveDelay === 'number' ? Math.min(5000, Math.max(20, liveDelay)) : 80,
    measuredEdges: Math.min(400, Math.floor(measured)),
    idleMinutes: amount('backend.idleMinutes', 30),
    askAboveSeconds: amount('analysis.askAboveSeconds', 60),
    askAboveMb: amount('analysis.askAboveMb', 0),
    keepTrailingNewline: get('prompts.keepTrailingNewline') === true,
    startsEarly: get('editor.startBackend') !== false,
    ssh: { program: text('remote.sshPath'), configFile: text('remote.sshConfigFile') },
    remoteHosts: hostsOf(get('remote.hosts')),
  };
}

/** Models whose own code may run. Only this machine's settings count, never a workspace's. */
export function trustedModels(): string[] {
  const inspected = vscode.workspace.getConfiguration(SECTION).inspect<unknown>('models.trustRemoteCode');
  const value = inspected?.globalValue;
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string' && name !== '') : [];
}

/** The memory budget of all analyses in the backend; 0 if unset: then its command line decides. */
export function traceMemoryMb(): number {
  const value = vscode.workspace.getConfiguration(SECTION).inspect<unknown>('traces.memoryMb')?.globalValue;
  return typeof value === 'number' && value >= 1 ? value : 0;
}

function hostsOf(value: unknown): Record<string, HostSettings> {
  if (typeof value !== 'object' || value === null) return {};
  const entries = Object.entries(value as Record<string, unknown>).map(([host, set]) => {
    const { python, wrapper } = (typeof set === 'object' && set !== null ? set : {}) as Record<string, unknown>;
    const words = Array.isArray(wrapper) ? wrapper.filter((word) => typeof word === 'string') : [];
    return [host, { python: typeof python === 'string' ? python.trim() : '', wrapper: words }] as const;
  });
  return Object.fromEntries(entries);
}

/** Stores a choice where it is set: in the folder or workspace if that overrides it, otherwise for this machine. */
export async function storeSetting(key: 'model' | 'device' | 'dtype', value: string): Promise<void> {
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0];
  const section = vscode.workspace.getConfiguration(SECTION, editor?.document.uri);
  const { workspaceFolderValue, workspaceValue } = section.inspect<string>(key) ?? {};
  const { Global, Workspace, WorkspaceFolder } = vscode.ConfigurationTarget;
  const ofFolder = workspaceFolderValue !== undefined && workspaceFolderValue !== workspaceValue;
  await section.update(key, value, ofFolder ? WorkspaceFolder : workspaceValue === undefined ? Global : Workspace);
}
