import { encode } from '@msgpack/msgpack';
import {
  type EffectsResult,
  LOAD_MODEL,
  PROMPT_AT,
  type PromptAtParams,
  type PromptAtResult,
} from '../../extension/shared/protocol';
import { vi } from 'vitest';
import type { Selection, TextDocument, Uri } from 'vscode';
import type { Backend, RequestOptions } from '../../extension/src/backend/backend';
import { cancelled } from '../../extension/src/failure';
import { ModelChoice } from '../../extension/src/models/modelChoice';
import { Analyses, type Subject } from '../../extension/src/panel/analyses';
import { Panels } from '../../extension/src/panel/panels';
import type { ResultStore, StoredResult } from '../../extension/src/panel/resultStore';
import { checkSettings } from '../../extension/src/settings';
import { createdPanels, Uri as FakeUri } from './vscode.fake';

export const NOTHING_SET = {
  model: null, specialTokens: null, target: null, contrast: null, threshold: null, renormalize: null,
}; // prettier-ignore

/** Effects of one edge, as a panel tells them. */
export const EFFECTS: EffectsResult = {
  position: 4,
  metric: { kind: 'logit', target: { id: 7042, text: ' Paris' }, contrast: null, value: 14.5 },
  units: [
    {
      ...{ unit: 'I22_3>A23_4', kind: 'edge', text: 'France → is', how: 'zero' },
      ...{ predicted: -0.7, measured: 3.3, kl: 0.2, share: null },
    },
  ],
  faithfulness: { n: 20, sign: 0.9, rho: 0.52, kept: 0.61, removed: null },
  proof: { shareError: 1e-6 },
  timing: { forwardS: 0, backwardS: 0, measuredS: 0, nMeasured: 1 },
  notices: [],
  complete: true,
};

/** The answer that a text as a whole is the prompt, or what of it is selected. */
export function wholeText(text: string, { start, end }: PromptAtParams): PromptAtResult {
  const [from, to] = start === end ? [0, text.length] : [start, end];
  return {
    text: text.slice(from, to), chat: false, start: from, end: to,
    pieceAt: [0], pieceFrom: [from], pieceLength: [to - from], settings: NOTHING_SET,
  }; // prettier-ignore
}

/** A backend that holds every request until the test settles it, but what the prompt is it tells at once. */
export class FakeBackend {
  sessionId: number | null = 1;
  readonly documents = new Map<string, string>();
  /** What the prompt is, where it is not the whole text. */
  prompt: (params: PromptAtParams) => PromptAtResult = (params) =>
    wholeText(this.documents.get(params.uri) ?? '', params);
  readonly requests: {
    method: string;
    params: Record<string, unknown>;
    options: RequestOptions;
    resolve(value: unknown): void;
    reject(error: unknown): void;
  }[] = [];
  start = () => Promise.resolve((this.sessionId ??= 1));
  request(method: string, params: Record<string, unknown>, options: RequestOptions): Promise<unknown> {
    if (method === PROMPT_AT)
      return new Promise((resolve) => resolve(this.prompt(params as unknown as PromptAtParams)));
    return new Promise((resolve, reject) => {
      this.requests.push({ method, params, options, resolve, reject });
      options.cancel?.onCancellationRequested(() => reject(cancelled()));
    });
  }
}

export const reply = (runId: string, prompt: string) => ({
  runId,
  payload: Buffer.from(
    encode({ meta: { format: 1, runId, prompt, model: { name: 'm' }, tokens: [] }, columns: {} }),
  ).toString('base64'),
});

const document = (text: string, path = '/p/a.prompt') =>
  ({
    uri: FakeUri.file(path),
    languageId: 'lm-prompt',
    getText: () => text,
    offsetAt: (position: number) => position,
  }) as unknown as TextDocument;

export const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
export type World = ReturnType<typeof newWorld>;

/** Analyses with their panels, on a backend and a store of the test's own. */
export function newWorld() {
  createdPanels.length = 0;
  const backend = new FakeBackend();
  const kept: StoredResult[] = [];
  const store = {
    put: (result: StoredResult) => Promise.resolve(void kept.push(result)),
    get: (runId: string) => Promise.resolve(kept.find((result) => result.runId === runId) ?? null),
  } as unknown as ResultStore;
  const set: Record<string, unknown> = { model: ' org/m ', topK: 7 };
  const choice = new ModelChoice({
    read: () => checkSettings((key) => set[key]),
    load: (chosen, cancel) => backend.request(LOAD_MODEL, { ...chosen }, { cancel }),
    store: (key, value) => Promise.resolve(void (set[key] = value)),
  });
  const analyses: Analyses = new Analyses(
    backend as unknown as Backend,
    () => panels,
    store,
    choice,
    () => undefined,
  );
  const panels = new Panels(FakeUri.file('/ext') as unknown as Uri, store, {
    ask: (...asked) => analyses.ask(...asked),
    told: vi.fn(),
    shown: vi.fn(),
    aimed: vi.fn(),
    measured: (panel) => analyses.measured(panel),
    fitting: () => null,
    disposed: (panel) => analyses.cancel(panel),
    ignored: vi.fn(),
  });

  /** Analyzes a text with the cursor at an offset. */
  const run = (text: string, path?: string, comparison?: Subject['comparison']) => {
    const selection = { start: 0, end: 0, active: 0 } as unknown as Selection;
    const subject = { document: document(text, path), selection };
    backend.documents.set(subject.document.uri.toString(), text);
    return analyses.run({ ...subject, ...(comparison && { comparison }) });
  };

  /** As typing does. */
  const follow = (text: string) => {
    const subject = { document: document(text), selection: null };
    backend.documents.set(subject.document.uri.toString(), text);
    return analyses.follow(subject);
  };

  /** Starts an analysis; its page is ready, and the backend has been asked for it. */
  const begin = async (text: string, path?: string, comparison?: Subject['comparison']) => {
    const done = run(text, path, comparison);
    const fake = createdPanels.at(-1);
    fake?.says({ type: 'ready' });
    await settle();
    return { done, fake };
  };

  return { backend, analyses, panels, choice, set, kept, run, begin, follow };
}
