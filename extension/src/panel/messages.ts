import { GROUPINGS } from '../../shared/webview';
import type { FromWebview, PanelAction, PanelLayout, SaveFormat, ViewName, ViewState } from '../../shared/webview';
import { readEffects } from './effects';
import { isCount, isRecord, isText } from './foreign';
import { readQuestion } from './question';

const ACTIONS: Record<PanelAction, true> = {
  analyze: true,
  retry: true,
  cancel: true,
  showLog: true,
  setUpBackend: true,
  selectModel: true,
  selectDevice: true,
  selectDtype: true,
  unloadModel: true,
  choosePrompt: true,
  restartBackend: true,
  dismiss: true,
  openSettings: true,
  connectRemote: true,
  setUpRemote: true,
  useLocalBackend: true,
  manageTrust: true,
  saveRun: true,
  fitLens: true,
  stopFit: true,
  copyPromptLink: true,
};
const VIEWS: readonly ViewName[] = ['routes', 'lens', 'heads'];
const PLACES: readonly PanelLayout['place'][] = ['auto', 'beside', 'below'];
const PARTS: readonly PanelLayout['maximized'][] = [null, 'graph', 'inspector'];
const USUAL_LAYOUT: PanelLayout = { place: 'auto', share: null, maximized: null };
/** Endings of the files that may be saved. */
export const FILE_ENDINGS: readonly (SaveFormat | 'tsv')[] = ['svg', 'pdf', 'png', 'csv', 'tsv', 'json', 'html'];

const DOC_ADDRESS = /^[a-z0-9-]{1,60}(#[a-z0-9_-]{1,100})?$/;
const LONGEST_ID = 200;
const LONGEST_NAME = 200;
const LONGEST_COPY = 20_000_000;
const LONGEST_FILE = 200_000_000;
const MOST_TOKENS = 1_000_000;

/** A message of the webview, copied field by field when it fits its schema; null for anything else. */
export function readMessage(message: unknown): FromWebview | null {
  if (!isRecord(message)) return null;
  switch (message['type']) {
    case 'ready':
    case 'savePage':
      return { type: message['type'] };
    case 'ask': {
      const { id } = message;
      const question = readQuestion(message['question']);
      return isCount(id) && question ? { type: 'ask', id, question } : null;
    }
    case 'giveUp':
      return isCount(message['id']) ? { type: 'giveUp', id: message['id'] } : null;
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
    case 'heat':
      return readHeat(message['masses']);
    case 'effects': {
      const { runId } = message;
      const effects = readEffects(message['effects']);
      return isText(runId, LONGEST_ID) && effects ? { type: 'effects', runId, effects } : null;
    }
    case 'copy':
      return isText(message['text'], LONGEST_COPY) ? { type: 'copy', text: message['text'] } : null;
    case 'save':
      return readSave(message);
    case 'openDocs': {
      const { address } = message;
      return typeof address === 'string' && DOC_ADDRESS.test(address) ? { type: 'openDocs', address } : null;
    }
    default:
      return null;
  }
}

/** The state that a webview kept over a reload, also of an older version; null when it is not one of ours. */
export function readView(value: unknown): ViewState | null {
  if (!isRecord(value)) return null;
  const { runId, target, threshold, renormalize, ink, selection, view: shown = 'routes', heat = false } = value;
  if (!isText(runId, LONGEST_ID) || !isCount(target) || typeof renormalize !== 'boolean') return null;
  if (threshold !== 'auto' && !(typeof threshold === 'number' && threshold >= 0 && threshold <= 1)) return null;
  if (ink !== 'flow' && ink !== 'local' && ink !== 'effect') return null;
  if (selection !== null && !isText(selection, LONGEST_ID)) return null;
  const view = VIEWS.find((name) => name === shown);
  const lens = value['lens'] ?? 'logit';
  if (!view || typeof heat !== 'boolean' || !isText(lens, LONGEST_ID)) return null;
  const grouping = GROUPINGS.find((name) => name === (value['grouping'] ?? 'auto'));
  const opened = readPositions(value['opened'] ?? []);
  const metric = readMetric(value['metric'] ?? null);
  const layout = readLayout(value['layout'] ?? USUAL_LAYOUT);
  if (!grouping || !opened || metric === undefined || !layout) return null;
  return { runId, target, threshold, renormalize, ink, selection, view, lens, heat, grouping, opened, metric, layout };
}

function readLayout(value: unknown): PanelLayout | null {
  if (!isRecord(value)) return null;
  const { share } = value;
  const place = PLACES.find((name) => name === value['place']);
  const maximized = PARTS.find((name) => name === value['maximized']);
  const isShare = share === null || (typeof share === 'number' && share > 0 && share < 1);
  return place && maximized !== undefined && isShare ? { place, share, maximized } : null;
}

/** Undefined for what is not one. */
function readMetric(value: unknown): ViewState['metric'] | undefined {
  if (value === null) return null;
  if (!isRecord(value)) return undefined;
  const { target, contrast } = value;
  const isToken = (text: unknown): text is string | null => text === null || isText(text, LONGEST_ID);
  return isToken(target) && isToken(contrast) ? { target, contrast } : undefined;
}

function readPositions(value: unknown): number[] | null {
  if (!Array.isArray(value) || value.length > MOST_TOKENS) return null;
  const copied: unknown[] = Array.from(value);
  return copied.every(isCount) ? copied : null;
}

function readHeat(masses: unknown): FromWebview | null {
  if (masses === null) return { type: 'heat', masses };
  if (!Array.isArray(masses) || masses.length > MOST_TOKENS) return null;
  const copied: unknown[] = Array.from(masses);
  const isMass = (mass: unknown) => Number.isFinite(mass) && (mass as number) >= 0;
  return copied.every(isMass) ? { type: 'heat', masses: copied as number[] } : null;
}

function readSave({ name, content, encoding }: Record<string, unknown>): FromWebview | null {
  if (!isText(name, LONGEST_NAME) || !isText(content, LONGEST_FILE)) return null;
  if (!FILE_ENDINGS.some((ending) => name.toLowerCase().endsWith(`.${ending}`))) return null;
  if (encoding !== 'utf8' && encoding !== 'base64') return null;
  if (encoding === 'base64' && /[^A-Za-z0-9+/=]/.test(content)) return null;
  return { type: 'save', name, content, encoding };
}

function isAction(value: unknown): value is PanelAction {
  return typeof value === 'string' && Object.hasOwn(ACTIONS, value);
}
