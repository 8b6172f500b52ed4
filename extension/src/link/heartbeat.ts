import { PING, SILENCE_S } from '../../shared/protocol';
import { CancelSource } from '../cancel';
import type { Link } from './launch';
import type { Requester } from './request';
import { Failure } from '../failure';

/** Seconds without a word after which a link is lost. The variable is for tests, and for links that are slower. */
export function silenceFrom(variable: string | undefined): number {
  const seconds = Number(variable);
  return seconds > 0 && Number.isFinite(seconds) ? seconds : SILENCE_S;
}

/** Pings across a link until `isOver`, and calls `onSilence` once after that long a silence. `heardAt`: as `Date.now()`. */
export function keepListening(
  connection: Requester,
  { heardAt, silenceS }: { heardAt: () => number; silenceS: number },
  isOver: () => boolean,
  onSilence: (seconds: number) => void,
): void {
  const timer = setInterval(
    () => {
      if (isOver()) return clearInterval(timer);
      const silent = (Date.now() - heardAt()) / 1000;
      if (silent <= silenceS) {
        connection.sendRequest(PING, {}, new CancelSource().token).catch(() => undefined);
        return;
      }
      clearInterval(timer);
      onSilence(silent);
    },
    (silenceS / 4) * 1000,
  );
  timer.unref();
}

/** `joining`, unless its link is silent for too long. */
export async function withoutSilence<T>(joining: Promise<T>, link: Link, silenceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const silent = Date.now() - link.heardAt();
      if (silent < silenceMs) return;
      const message = `${link.host} has sent nothing for ${Math.round(silent / 1000)} s.`;
      reject(new Failure('hostUnreachable', message, 'See the log.'));
    }, silenceMs / 8);
  });
  try {
    return await Promise.race([joining, silence]);
  } finally {
    clearInterval(timer);
  }
}
