import { type Cancel, CancelSource } from '../cancel';
import { cancelled, Failure, toFailure } from './failure';

/** Anything that can send a JSON-RPC request: a LanguageClient, or a bare connection in tests. */
export interface Requester {
  sendRequest(method: string, params: unknown, token: Cancel): Promise<unknown>;
}

export interface AskOptions {
  /** Longest silence before the request is given up; `alive` starts it anew. */
  timeoutMs: number;
  cancel?: Cancel;
  /** Rejects when whoever should answer is gone. */
  gone?: Promise<never>;
  /** Receives a function to be called at every sign of life. */
  whenAlive?: (alive: () => void) => void;
}

/**
 * One request that always ends: with the answer, a `Failure`, a cancellation or a timeout.
 *
 * Cancelling answers at once; the backend is told, and its late reply is dropped.
 */
export async function ask(
  requester: Requester,
  method: string,
  params: unknown,
  options: AskOptions,
): Promise<unknown> {
  if (options.cancel?.isCancellationRequested) throw cancelled();
  const source = new CancelSource(options.cancel);
  let timer: NodeJS.Timeout | undefined;
  let waiting = true;
  try {
    return await new Promise<unknown>((resolve, reject) => {
      const expire = () => {
        reject(timedOut(method, options.timeoutMs));
        source.cancel();
      };
      const arm = () => {
        clearTimeout(timer);
        if (waiting) timer = setTimeout(expire, options.timeoutMs);
      };
      arm();
      options.whenAlive?.(arm);
      source.token.onCancellationRequested(() => reject(cancelled()));
      options.gone?.catch((error: unknown) => reject(toFailure(error)));
      requester.sendRequest(method, params, source.token).then(resolve, (error: unknown) => reject(toFailure(error)));
    });
  } finally {
    waiting = false;
    clearTimeout(timer);
    source.dispose();
  }
}

function timedOut(method: string, timeoutMs: number): Failure {
  const what = method.slice(method.lastIndexOf('/') + 1);
  const seconds = Math.round(timeoutMs / 1000);
  return new Failure(
    'timedOut',
    `The backend has not answered for ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`} (${what}).`,
    'Try again; if it happens twice, restart the backend.',
  );
}
