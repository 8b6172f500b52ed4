import type { FromWebview, PanelAction, ViewState } from '../../shared/webview';

const ACTIONS: Record<PanelAction, true> = {
  analyze: true,
  retry: true,
  cancel: true,
  showLog: true,
  setUpBackend: true,
  selectModel: true,
  restartBackend: true,
  openSettings: true,
  manageTrust: true,
};

const NODE = /^(X0|[AMI]\d{1,4})_\d{1,7}$/;
const LONGEST_ID = 200;

/** A message of the webview, copied field by field when it fits its schema; null for anything else. */
export function readMessage(message: unknown): FromWebview | null {
  if (!isRecord(message)) return null;
  switch (message['type']) {
    case 'ready':
      return { type: 'ready' };
    case 'ask':
      return readAsk(message);
    case 'remember': {
      const view = readView(message['view']);
      return view && { type: 'remember', view };
    }
    case 'action': {
      const action = message['action'];
      return isAction(action) ? { type: 'action', action } : null;
    }
    case 'selected': {
      const position = message['position'];
      return position === null || isCount(position) ? { type: 'selected', position } : null;
    }
    default:
      return null;
  }
}

/** The state that a webview kept over a reload; null when it is not one of ours. */
export function readView(value: unknown): ViewState | null {
  if (!isRecord(value)) return null;
  const { runId, target, threshold, renormalize, ink, selection } = value;
  if (!isShortText(runId) || !isCount(target) || typeof renormalize !== 'boolean') return null;
  if (threshold !== 'auto' && !(typeof threshold === 'number' && threshold >= 0 && threshold <= 1)) return null;
  if (ink !== 'flow' && ink !== 'local') return null;
  if (selection !== null && !isShortText(selection)) return null;
  return { runId, target, threshold, renormalize, ink, selection };
}

function readAsk(message: Record<string, unknown>): FromWebview | null {
  const { id, question } = message;
  if (!isCount(id) || !isRecord(question) || question['kind'] !== 'nodeTokens') return null;
  const { runId, node, normalize } = question;
  if (!isShortText(runId) || typeof node !== 'string' || !NODE.test(node) || typeof normalize !== 'boolean')
    return null;
  return { type: 'ask', id, question: { kind: 'nodeTokens', runId, node, normalize } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAction(value: unknown): value is PanelAction {
  return typeof value === 'string' && Object.hasOwn(ACTIONS, value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isShortText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_ID;
}
