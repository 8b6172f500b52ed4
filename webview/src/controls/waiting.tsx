/** One quiet line while an answer is pending or after it failed. */
import type { Method } from '../../../extension/shared/webview';
import type { Reply } from '../store/ask';

interface Props<M extends Method> {
  reply: Reply<M> | null;
  /** What is pending, as the beginning of a sentence. */
  what: string;
  /** An older answer is still shown: only progress and failures are reported. */
  quiet?: boolean;
  /** Why an answer that came cannot be read. */
  problem?: string | null;
}

export function Waiting<M extends Method>({ reply, what, quiet = false, problem = null }: Props<M>) {
  const failure = reply?.state === 'failed' ? reply.message : problem;
  if (failure !== null) {
    return (
      <p class="waiting-line" role="status">
        {what} is unavailable: {failure}
      </p>
    );
  }
  if (reply?.state !== 'asking') return null;
  const { progress } = reply;
  if (quiet && !progress) return null;
  const done = progress?.fraction;
  return (
    <p class="waiting-line" role="status">
      {progress?.message ?? `${what} is being computed`}
      {done === null || done === undefined ? ' …' : ` · ${Math.round(done * 100)}%`}
    </p>
  );
}
