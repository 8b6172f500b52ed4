import { type Cancel, CancelSource } from '../cancel';
import { cancelled, toFailure } from '../failure';

/** Anything that can send a JSON-RPC request: a LanguageClient, or a bare connection in tests. */
export interface Requester {
  sendRequest(method: string, params: unknown, token: Cancel): Promise<unknown>;
}

export interface AskOptions {
  cancel?: Cancel;
  /** Rejects when the process that should answer is gone. */
  gone?: Promise<never>;
}

/**
 * One request: ends with the answer, a `Failure` or a cancellation; it has no time limit here.
 *
 * Cancelling rejects at once; the backend is notified, and its late reply is dropped.
 */
export async function ask(
  requester: Requester,
  method: string,
  params: unknown,
  options: AskOptions,
): Promise<unknown> {
  if (options.cancel?.isCancellationRequested) throw cancelled();
  const source = new CancelSource(options.cancel);
  try {
    return await new Promise<unknown>((resolve, reject) => {
      source.token.onCancellationRequested(() => reject(cancelled()));
      options.gone?.catch((error: unknown) => reject(toFailure(error)));
      requester.sendRequest(method, params, source.token).then(resolve, (error: unknown) => reject(toFailure(error)));
    });
  } finally {
    source.dispose();
  }
}
