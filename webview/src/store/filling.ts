/** Requests the rows that the graph needs and that are still missing. */
import type { ReachParams } from '../../../extension/shared/protocol';
import { bytesOf } from '../analysis/arrays';
import type { Host } from '../hosts/host';
import { decodeAnalysis } from '../analysis/payload';
import type { Analysis } from '../analysis/payload';

/** A wish that changes within this time is not asked for. */
const REACH_MS = 60;

/**
 * Makes an effect of what is wished for: it asks, and what is returned calls the asking off. Nobody is asked twice for
 * what did not help.
 */
export function createReach(
  host: Pick<Host, 'ask'>,
  wished: () => ReachParams | null,
  told: { more(analysis: Analysis): void; failed(message: string): void },
): () => (() => void) | undefined {
  let answered = '';
  return () => {
    const params = wished();
    const wish = JSON.stringify(params);
    if (!params || wish === answered) return;
    const asking = new AbortController();
    const timer = setTimeout(() => {
      host
        .ask({ method: 'lmTransparency/reach', params }, { signal: asking.signal })
        .then(({ payload }) => {
          if (asking.signal.aborted) return;
          answered = wish;
          told.more(decodeAnalysis(bytesOf(payload)));
        })
        .catch((error: unknown) => {
          if (!asking.signal.aborted) told.failed(error instanceof Error ? error.message : String(error));
        });
    }, REACH_MS);
    return () => {
      clearTimeout(timer);
      asking.abort();
    };
  };
}
