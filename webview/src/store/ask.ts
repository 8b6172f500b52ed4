/** Questions about the shown run: asked once, then answered from memory, cancelled when no view needs them. */
import { signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { NumericArray } from '../../../extension/shared/protocol';
import type { Answer, Method, Params, Question } from '../../../extension/shared/webview';
import type { Host, Progress } from '../hosts/host';

/** A question without the parts that the store adds. */
export type Asked<M extends Method> = Omit<Params<M>, 'runId' | 'workDoneToken'>;

export type Reply<M extends Method> =
  | { state: 'asking'; progress: Progress | null }
  | { state: 'known'; result: Answer<M> }
  | { state: 'failed'; message: string };

/** One question and the state of its answer. */
export interface Entry<M extends Method> {
  reply: ReadonlySignal<Reply<M>>;
  /** Asks unless the answer is known; returns how to stop waiting. */
  watch(): () => void;
}

export type Asker = ReturnType<typeof createAsker>;

/** The budget of kept answers, in characters; the least recently used is dropped first. */
const MOST_KEPT = 64e6;

/** `fitted`: another number once a lens that was fitted here reads differently; what it read before is asked for again. */
export function createAsker(
  host: Host,
  runId: () => string | null,
  { mostKept = MOST_KEPT, fitted = () => 0 }: { mostKept?: number; fitted?: () => number } = {},
) {
  const entries = new Map<string, Entry<Method>>();

  function entry<M extends Method>(method: M, asked: Asked<M>): Entry<M> | null {
    const run = runId();
    if (run === null) return null;
    const question = { method, params: { ...asked, runId: run } as unknown as Params<M> };
    const key = JSON.stringify(question) + (dependsOnFit(question) ? ` ${fitted()}` : '');
    const found = (entries.get(key) as Entry<M> | undefined) ?? createEntry(host, question);
    entries.delete(key);
    entries.set(key, found as unknown as Entry<Method>);
    let total = [...entries.values()].reduce((sum, { reply }) => sum + weightOf(reply.peek()), 0);
    for (const [oldest, { reply }] of entries) {
      if (total <= mostKept || oldest === key) break;
      const weight = weightOf(reply.peek());
      total -= weight;
      if (weight > 0) entries.delete(oldest);
    }
    return found;
  }

  return { entry };
}

function dependsOnFit({ method, params }: Question): boolean {
  if (method === 'lmTransparency/lenses') return true;
  const lens = 'lens' in params ? params.lens : undefined;
  return lens !== undefined && lens !== 'logit';
}

/** Arrays make up most of an answer's size; the rest counts as one small list. */
function weightOf(reply: Reply<Method>): number {
  if (reply.state !== 'known') return 0;
  const fields = Object.values(reply.result as unknown as Record<string, unknown>);
  const arrays = fields.map((field) => (isArray(field) ? field.data.length : 0));
  return arrays.reduce((sum, length) => sum + length, SMALL_ANSWER);
}

const SMALL_ANSWER = 4000;

function isArray(value: unknown): value is NumericArray {
  return typeof value === 'object' && value !== null && 'data' in value && typeof value.data === 'string';
}

function createEntry<M extends Method>(host: Host, question: Question<M>): Entry<M> {
  const reply = signal<Reply<M>>({ state: 'asking', progress: null });
  let waiting = 0;
  let asking: AbortController | null = null;

  function start(): void {
    const own = new AbortController();
    asking = own;
    reply.value = { state: 'asking', progress: null };
    const onProgress = (progress: Progress): void => {
      if (asking === own) reply.value = { state: 'asking', progress };
    };
    const settle = (value: Reply<M>): void => {
      if (asking !== own) return;
      asking = null;
      reply.value = value;
    };
    host.ask(question, { signal: own.signal, onProgress }).then(
      (result) => settle({ state: 'known', result }),
      (error: unknown) => settle({ state: 'failed', message: error instanceof Error ? error.message : String(error) }),
    );
  }

  return {
    reply,
    watch() {
      waiting++;
      if (!asking && reply.peek().state !== 'known') start();
      let stopped = false;
      return () => {
        if (stopped) return;
        stopped = true;
        if (--waiting > 0 || !asking) return;
        asking.abort();
        asking = null;
      };
    },
  };
}

interface AsksAndOffline {
  asker: Asker;
  offline: ReadonlySignal<string | null>;
}

/** The reply to a question, kept up to date while the component is there; null while nothing is asked. */
export function useReply<M extends Method>(store: AsksAndOffline, method: M, asked: Asked<M> | null): Reply<M> | null {
  const entry = asked && store.asker.entry(method, asked);
  const offline = store.offline.value !== null;
  // before the paint, so that the question is a frame earlier; again when the backend is back
  useLayoutEffect(() => entry?.watch(), [entry, offline]);
  return entry?.reply.value ?? null;
}

/** Like `useReply`, but the last known answer stays until the next one is there: nothing flickers. */
export function useLatest<M extends Method>(
  store: AsksAndOffline,
  method: M,
  asked: Asked<M> | null,
): { reply: Reply<M> | null; latest: Answer<M> | null } {
  const reply = useReply(store, method, asked);
  const last = useRef<Answer<M> | null>(null);
  if (reply?.state === 'known') last.current = reply.result;
  else if (reply === null) last.current = null;
  return { reply, latest: last.current };
}
