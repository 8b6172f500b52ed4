/**
 * The development page: ?sample=ioi|war|moe|30x128|… &theme=dark|light|hc-dark|hc-light &state=ready|empty|loading|failure|offline|…
 * &proof=off &fail=lens &slow=MILLISECONDS &select=M4_5@3 &unsure. Sizes other than recordings are synthetic: layers x tokens, and x edges in
 * a row where not every pair of tokens is to have a weight. &payload=URL shows a recording from elsewhere.
 */
import type { Answer, Question, ToWebview } from '../../extension/shared/webview';
import type { Page } from '../src/hosts/browser';
import { decodeAnalysis } from '../src/analysis/payload';
import { syntheticAnswer } from './answers';
import { sizes } from './numbers';
import { syntheticPayload } from './synthetic';
import { setAnalysis } from './attention';
import { refusedLens } from './refused';
import { applyTheme } from './themes';
import type { ThemeName } from './themes';

declare const recordings: Record<string, string>;

const query = new URLSearchParams(location.search);
const sample = query.get('sample') ?? 'ioi';
const state = query.get('state') ?? 'ready';
applyTheme((query.get('theme') ?? 'dark') as ThemeName);

/** Edges in a row of a synthetic long prompt, where the sample does not say. */
const LONG_ROW = 50;

function payload(): ArrayBuffer | string {
  const recorded = recordings[sample];
  if (recorded !== undefined) return recorded;
  const [nLayers = 30, nTokens = 40, edges = nTokens > 1000 ? LONG_ROW : 0] = sample.split('x').map(Number);
  const proofHolds = query.get('proof') !== 'off';
  const density = edges > 0 ? { density: edges } : {};
  const bytes = syntheticPayload({ nLayers, nTokens, parallel: query.has('parallel'), proofHolds, ...density });
  return bytes.slice().buffer;
}

function measure(bytes: ArrayBuffer | string): void {
  const buffer = typeof bytes === 'string' ? Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0)).buffer : bytes;
  const analysis = decodeAnalysis(buffer);
  const { model, tokens } = analysis.meta;
  setAnalysis(analysis);
  Object.assign(sizes, { nLayers: model.nLayers, nTokens: tokens.length, nHeads: model.nHeads });
}

/** SYNTHETIC answers: there is no model behind this page. */
async function answer(question: Question): Promise<Answer> {
  if (query.get('fail') === 'lens') throw new Error('The run has expired: analyze the prompt again.');
  // made when it is due: what a backend would compute must not hold up the click
  await new Promise((resolve) => setTimeout(resolve, Number(query.get('slow') ?? 120)));
  return syntheticAnswer(question);
}

const selection = query.get('select');
const page: Page = { title: sample, runId: sample, answer, view: selection === null ? null : { selection } };
const elsewhere = query.get('payload');
if (elsewhere !== null) {
  const post = (payload: ArrayBuffer): void => {
    measure(payload);
    window.postMessage({ type: 'analysis', runId: 'recorded', title: 'recorded', payload, view: null }, '*');
  };
  void fetch(elsewhere).then(async (response) => post(await response.arrayBuffer()));
} else if (['ready', 'offline', 'updating', 'trouble'].includes(state)) {
  page.payload = payload();
  measure(page.payload);
}
window.lmTransparencyPage = page;

const messages: Record<string, ToWebview> = {
  loading: { type: 'progress', message: 'Contributions: layer 12 of 30', fraction: 0.4 },
  waiting: { type: 'progress', message: 'Loading smollm2-135m-instruct', fraction: null },
  updating: { type: 'updating', message: 'Updating' },
  offline: { type: 'offline', offline: true, message: 'The backend has stopped.' },
  failure: {
    type: 'failure',
    message: 'PyTorch is not installed in the selected environment.',
    remedy: 'Set up the backend in an environment of its own, or select an interpreter that has torch 2.6 or newer.',
    actions: [
      { action: 'setUpBackend', label: 'Set Up Backend' },
      { action: 'showLog', label: 'Show Log' },
    ],
  },
};
const REFUSAL = {
  type: 'failure',
  message: 'FalconMambaForCausalLM cannot be analyzed: its decoder blocks were not found.',
  remedy: 'Choose another model.',
  actions: [
    { action: 'selectModel', label: 'Select Model' },
    { action: 'showLog', label: 'Show Log' },
  ],
} satisfies ToWebview;
messages['reading'] = { ...REFUSAL, lens: 'Reading the layers of falcon-mamba-7b' };
messages['refused'] = { ...REFUSAL, lens: refusedLens() };
messages['trouble'] = { ...REFUSAL, message: 'The prompt has 9,000 tokens; gpt2 reads at most 1,024.', remedy: '' };
const first = messages[state];
if (first) window.addEventListener('load', () => window.postMessage(first, '*'));
const cursor = query.get('cursor');
if (cursor !== null)
  window.addEventListener('load', () => window.postMessage({ type: 'cursor', position: Number(cursor) }, '*'));

const order: ThemeName[] = ['dark', 'light', 'hc-dark', 'hc-light'];
let at = order.indexOf((query.get('theme') ?? 'dark') as ThemeName);
window.addEventListener('keydown', (event) => {
  // F2 shows the next theme.
  if (event.key === 'F2') applyTheme(order[(at = (at + 1) % order.length)] ?? 'dark');
});
