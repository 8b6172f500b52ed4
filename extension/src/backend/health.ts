import { DEFAULT_MODEL, type Health, type ModelInfo } from '../../shared/protocol';
import type { Target } from '../remote/target';
import { modelName, sizeText } from '../words';
import type { BackendStatus } from './backend';

/** What the language status item shows. */
export interface StatusView {
  text: string;
  detail: string;
  severity: 'information' | 'warning' | 'error';
  busy: boolean;
  command: { id: string; title: string };
}

const SELECT = { id: 'lmTransparency.selectModel', title: 'Select Model' };
const SET_UP = { id: 'lmTransparency.setUpBackend', title: 'Set Up Backend' };
const SHOW_LOG = { id: 'lmTransparency.showLog', title: 'Show Log' };
const CONNECT = { id: 'lmTransparency.connectRemote', title: 'Connect…' };
const SET_UP_REMOTE = { id: 'lmTransparency.setUpRemote', title: 'Set Up on the Host' };
const RESTART = { id: 'lmTransparency.restartBackend', title: 'Restart Backend' };

/** The state of the backend in words: model, device, busy, error, and the command that helps. */
export function statusView(status: BackendStatus, chosenModel: string, target: Target | null = null): StatusView {
  const model = modelName(chosenModel);
  const calm = { severity: 'information', busy: false, command: SELECT } as const;
  const { failure, health } = status;
  const host = target ? `${target.host} · ` : '';
  if (status.phase === 'stopped') {
    return { ...calm, text: model, detail: `${host}${target ? 'connects' : 'starts'} when first used` };
  }
  if (status.phase === 'reconnecting') {
    const where = target?.host ?? 'the backend';
    return {
      ...calm,
      text: model,
      detail: `reconnecting to ${where}`,
      severity: 'warning',
      busy: true,
      command: SHOW_LOG,
    };
  }
  if (status.phase === 'failed' || !health) {
    const doing = target ? `connecting to ${target.host}` : 'starting the backend';
    if (!failure) return { ...calm, text: model, detail: doing, busy: true };
    const setUpHelps = ['backendMissing', 'backendOutdated', 'dependencyMissing'].includes(failure.kind);
    const isExpected = failure.kind === 'untrusted' || failure.kind === 'backendMissing';
    const elsewhere = failure.kind === 'remoteOutdated' ? SET_UP_REMOTE : CONNECT;
    const here = failure.kind === 'untrusted' ? SHOW_LOG : setUpHelps ? SET_UP : RESTART;
    const isRemote = ['hostUnreachable', 'remoteOutdated', 'remoteUnfit'].includes(failure.kind);
    const command = isRemote ? elsewhere : here;
    return {
      text: 'LM Transparency',
      detail: failure.message,
      severity: isExpected ? 'warning' : 'error',
      busy: false,
      command,
    };
  }
  if (health.state === 'error') {
    return { text: 'LM Transparency', detail: health.message, severity: 'error', busy: false, command: SET_UP };
  }
  const loaded = health.loaded.find((info) => info.source === chosenModel) ?? health.loaded.at(-1);
  const where = `${host}${loaded ? `${loaded.device} · ${loaded.dtype}` : 'not loaded'}${memoryOf(health, loaded)}`;
  const busy = health.state !== 'ready';
  const doing = health.message.replace(/\.$/, '') || (health.state === 'starting' ? 'loading PyTorch' : 'working');
  return {
    ...calm,
    text: loaded?.name ?? model,
    detail: `${where}${busy ? ` · ${doing}` : ''}`,
    busy,
  };
}

/** The GPU in use, or any GPU, and its free memory; without a GPU the machine's free memory. */
function memoryOf(health: Health, loaded: ModelInfo | undefined): string {
  const gpu = health.devices.find(({ id }) => id !== 'cpu');
  const device = health.devices.find(({ id }) => id === loaded?.device) ?? gpu;
  if (!device) return '';
  const free = device.freeBytes > 0 ? `${(device.freeBytes / 1e9).toFixed(1)} GB free` : '';
  const words = [device.id === 'cpu' ? '' : device.name, free].filter(Boolean).join(', ');
  return words && ` · ${words}`;
}

/** The model of the prompt in front, for the status bar; `isOfFile`: the prompt's file names it. */
export interface MeantModel {
  source: string;
  isOfFile: boolean;
  isLoading: boolean;
}

/** `smollm2-135m… · cpu`: the model that the next analysis uses and where it is loaded. */
export function modelView(
  { phase, failure, health }: BackendStatus,
  { source, isOfFile, isLoading }: MeantModel,
  target: Target | null = null,
): Record<'text' | 'tooltip', string> {
  const named = source || DEFAULT_MODEL;
  const loaded = health?.loaded.find((info) => (info.source || DEFAULT_MODEL) === named);
  const host = target ? `${target.host} ` : '';
  const state = isLoading ? 'loading' : loaded && phase === 'running' ? `${host}${loaded.device}` : '';
  const icon = isLoading ? '$(sync~spin) ' : phase === 'failed' ? '$(warning) ' : '';
  const where = loaded ? `${host}${loaded.device} · ${loaded.dtype}` : 'Not loaded; the next analysis loads it.';
  const why = isOfFile ? 'This file names its model.' : '';
  return {
    text: `${icon}${[modelName(loaded?.name ?? named), state].filter(Boolean).join(' · ')}`,
    tooltip: [`Model: ${loaded?.name ?? named}`, failure?.message ?? where, why, 'Click to choose another model.']
      .filter(Boolean)
      .join('\n'),
  };
}

/** How many analyses the backend holds, and their memory: a separate row; null if there are none. */
export function heldView({ health }: BackendStatus): Pick<StatusView, 'text' | 'detail'> | null {
  if (!health || health.traces.nRuns === 0) return null;
  const { nRuns, heldBytes, budgetBytes } = health.traces;
  const text = nRuns === 1 ? '1 analysis held' : `${nRuns} analyses held`;
  return { text, detail: `${sizeText(heldBytes)} of ${sizeText(budgetBytes)}` };
}
