import { encode } from '@msgpack/msgpack';
import { vi } from 'vitest';
import type { Selection, TextDocument, Uri } from 'vscode';
import type { Backend, RequestOptions } from '../../extension/src/backend/backend';
import { cancelled } from '../../extension/src/backend/failure';
import { Analyses } from '../../extension/src/panel/analyses';
import { Panels } from '../../extension/src/panel/panels';
import type { ResultStore, StoredResult } from '../../extension/src/panel/resultStore';
import { checkSettings } from '../../extension/src/settings';
import { createdPanels, Uri as FakeUri } from './vscode.fake';

/** A backend that holds every request until the test settles it. */
export class FakeBackend {
  sessionId: number | null = 1;
  readonly requests: {
    method: string;
    params: Record<string, unknown>;
    options: RequestOptions;
    resolve(value: unknown): void;
    reject(error: unknown): void;
  }[] = [];
  start = () => Promise.resolve((this.sessionId ??= 1));
  request(method: string, params: Record<string, unknown>, options: RequestOptions): Promise<unknown> {
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
  const settings = () => checkSettings((key) => ({ model: ' org/m ', topK: 7 })[key]);
  const analyses: Analyses = new Analyses(
    backend as unknown as Backend,
    () => panels,
    store,
    settings,
    () => undefined,
  );
  const panels = new Panels(FakeUri.file('/ext') as unknown as Uri, store, {
    ask: (...asked) => analyses.ask(...asked),
    told: vi.fn(),
    shown: vi.fn(),
    aimed: vi.fn(),
    disposed: (panel) => analyses.cancel(panel),
    ignored: vi.fn(),
  });

  /** Analyzes a text with the cursor at an offset. */
  const run = (text: string, path?: string, cursor = 0) => {
    const selection = { start: cursor, end: cursor, active: cursor } as unknown as Selection;
    return analyses.run({ document: document(text, path), selection });
  };

  /** Starts an analysis; its page is ready. */
  const begin = (text: string, path?: string) => {
    const done = run(text, path);
    const fake = createdPanels.at(-1);
    fake?.says({ type: 'ready' });
    return { done, fake };
  };

  return { backend, analyses, panels, kept, run, begin };
}
