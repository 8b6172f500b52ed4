import * as vscode from 'vscode';
import type { Dtype, SpecialTokens } from '../shared/protocol';
import type { SshSettings } from './remote/ssh';

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
  /** Minutes without work after which a backend lets go of the model; 0: never. */
  idleMinutes: number;
  ssh: SshSettings;
  /** What is set for single hosts. */
  remoteHosts: Record<string, HostSettings>;
}

/** An interpreter, and a command before it, such as srun; both as on the host. */
export interface HostSettings {
  python: string;
  wrapper: string[];
}

export const SECTION = 'lmTransparency';

export const DTYPES: readonly Dtype[] = ['auto', 'float32', 'bfloat16', 'float16'];
const SPECIAL_TOKENS: readonly SpecialTokens[] = ['auto', 'bos', 'none'];

export function readSettings(scope?: vscode.Uri): Settings {
  const section = vscode.workspace.getConfiguration(SECTION, scope);
  return checkSettings((key) => section.get<unknown>(key));
}

/** Settings out of whatever values there are; a value of the wrong kind counts as not set. */
export function checkSettings(get: (key: string) => unknown): Settings {
  const text = (key: string) => {
    const value = get(key);
    return typeof value === 'string' ? value.trim() : '';
  };
  const oneOf = <T extends string>(key: string, values: readonly T[], otherwise: T) =>
    values.find((value) => value === get(key)) ?? otherwise;
  const pip = get('backend.pipArguments');
  const topK = get('topK');
  const idle = get('backend.idleMinutes');
  return {
    python: text('backend.python'),
    pipArguments: Array.isArray(pip) ? pip.filter((item) => typeof item === 'string') : [],
    model: text('model'),
    allowDownload: get('models.allowDownload') === true,
    device: text('device') || 'auto',
    dtype: oneOf('dtype', DTYPES, 'auto'),
    specialTokens: oneOf('specialTokens', SPECIAL_TOKENS, 'auto'),
    topK: typeof topK === 'number' && Number.isInteger(topK) ? Math.min(100, Math.max(1, topK)) : 10,
    idleMinutes: typeof idle === 'number' && idle >= 0 ? idle : 30,
    ssh: { program: text('remote.sshPath'), configFile: text('remote.sshConfigFile') },
    remoteHosts: hostsOf(get('remote.hosts')),
  };
}

/** Models whose own code may be run: this machine's settings alone count, whatever a workspace says. */
export function trustedModels(): string[] {
  const inspected = vscode.workspace.getConfiguration(SECTION).inspect<unknown>('models.trustRemoteCode');
  const value = inspected?.globalValue;
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string' && name !== '') : [];
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

/** Stores a choice where it is set now: in the workspace if that overrides it, else for this machine. */
export async function storeSetting(key: 'model' | 'device' | 'dtype', value: string): Promise<void> {
  const section = vscode.workspace.getConfiguration(SECTION);
  const inWorkspace = section.inspect<string>(key)?.workspaceValue !== undefined;
  const target = inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  await section.update(key, value, target);
}
