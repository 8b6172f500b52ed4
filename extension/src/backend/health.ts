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
const RESTART = { id: 'lmTransparency.restartBackend', title: 'Restart Backend' };

/** The state of the backend in words: model, device, busy, error, and the command that helps. */
export function statusView(status: BackendStatus, chosenModel: string): StatusView {
  const model = shortName(chosenModel);
  const calm = { severity: 'information', busy: false, command: SELECT } as const;
  const { failure, health } = status;
  if (status.phase === 'stopped') return { ...calm, text: model, detail: 'starts when first used' };
  if (status.phase === 'failed' || !health) {
    if (!failure) return { ...calm, text: model, detail: 'starting the backend', busy: true };
    const setUpHelps = ['backendMissing', 'backendOutdated', 'dependencyMissing'].includes(failure.kind);
    const isExpected = failure.kind === 'untrusted' || failure.kind === 'backendMissing';
    const command = failure.kind === 'untrusted' ? SHOW_LOG : setUpHelps ? SET_UP : RESTART;
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
  const where = loaded ? `${loaded.device} · ${loaded.dtype}` : 'not loaded';
  const busy = health.state !== 'ready';
  const doing = health.message.replace(/\.$/, '') || (health.state === 'starting' ? 'loading PyTorch' : 'working');
  return { ...calm, text: loaded?.name ?? model, detail: busy ? `${where} · ${doing}` : where, busy };
}

/** The last part of a path or hub id; the embedded model for an empty one. */
export function shortName(source: string): string {
  return (
    source
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) || 'Embedded model'
  );
}
