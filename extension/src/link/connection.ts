import type { Health } from '../../shared/protocol';
import type { Requester } from './request';

/** One step of a long request; `fraction` is null if unknown. */
export interface Progress {
  message: string;
  fraction: number | null;
}

/** A handshaken JSON-RPC connection to one server process. */
export interface Connection extends Requester {
  onHealth(listener: (health: Health) => void): { dispose(): void };
  /** The server uses processor time, even if it reports nothing. */
  onProgressing(listener: () => void): { dispose(): void };
  onProgress(token: string, listener: (progress: Progress) => void): { dispose(): void };
  /** Partial results of a request. */
  onPartial(token: string, listener: (value: unknown) => void): { dispose(): void };
  /** Asks the server to end (shutdown, exit), waiting two seconds at most. Never rejects. */
  close(): Promise<void>;
}

/** Reads the value of a `$/progress` notification; null for one without content. */
export function readProgress(value: unknown): Progress | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, title, message, percentage } = value as Record<string, unknown>;
  if (kind === 'end') return null;
  const words = [message, title].find((text) => typeof text === 'string' && text !== '');
  const known = typeof percentage === 'number' && Number.isFinite(percentage);
  if (words === undefined && !known) return null;
  return {
    message: typeof words === 'string' ? words : '',
    fraction: known ? Math.min(1, Math.max(0, percentage / 100)) : null,
  };
}
