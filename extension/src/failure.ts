import type { ErrorData, ErrorKind } from '../shared/protocol';

/** Failures in addition to those that the backend reports. */
export type FailureKind =
  | ErrorKind
  | 'backendMissing'
  | 'backendOutdated'
  | 'backendStopped'
  | 'linkLost'
  | 'hostUnreachable'
  | 'remoteOutdated'
  | 'remoteUnfit'
  | 'untrusted'
  | 'noDocument'
  | 'incomplete'
  | 'noResult';

/** An error meant for the user: a sentence of what happened, and a sentence of what helps. Never a stack trace. */
export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
    readonly remedy = '',
    /** Bytes, of a model that is too large. */
    readonly memory: { needed: number; free: number } | null = null,
  ) {
    super(message);
    this.name = 'Failure';
  }
}

/** The failure that stands for "the user, or a newer request, stopped this". */
export function cancelled(): Failure {
  return new Failure('cancelled', 'Cancelled.');
}

export function isCancelled(error: unknown): boolean {
  return error instanceof Failure && error.kind === 'cancelled';
}

const ERROR_KINDS: Record<ErrorKind, true> = {
  invalidParams: true,
  invalidPrompt: true,
  promptTooLong: true,
  invalidPosition: true,
  modelNotFound: true,
  modelUnusable: true,
  modelUnsupported: true,
  dependencyMissing: true,
  tooLarge: true,
  outOfMemory: true,
  costly: true,
  runExpired: true,
  cancelled: true,
  internal: true,
};

const CANCEL_CODES: ReadonlySet<unknown> = new Set([-32800, -32802]);
const CONNECTION_CODES: ReadonlySet<unknown> = new Set([-32096, -32097, -32098, -32099]);

/** Turns any rejection into a failure with a sentence and a remedy. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const { code, data, message } = asRecord(error);
  if (CANCEL_CODES.has(code)) return cancelled();
  const known = errorData(data);
  const sentence = firstLine(message) || 'An error occurred without a description.';
  if (known?.kind === 'cancelled') return cancelled();
  if (known) {
    const { kind, remedy, neededBytes, freeBytes } = known;
    return new Failure(kind, sentence, remedy, neededBytes > 0 ? { needed: neededBytes, free: freeBytes } : null);
  }
  if (CONNECTION_CODES.has(code)) {
    return new Failure('backendStopped', 'The backend stopped before it answered.', 'Try again. The log says why.');
  }
  const failure = new Failure('internal', sentence, 'The log may say more.');
  failure.cause = error;
  return failure;
}

function errorData(value: unknown): ErrorData | null {
  const { kind, remedy, neededBytes, freeBytes } = asRecord(value);
  if (typeof kind !== 'string' || !Object.hasOwn(ERROR_KINDS, kind)) return null;
  const count = (bytes: unknown) => (typeof bytes === 'number' && bytes > 0 ? bytes : 0);
  const figures = { neededBytes: count(neededBytes), freeBytes: count(freeBytes) };
  return { kind: kind as ErrorKind, remedy: typeof remedy === 'string' ? remedy : '', ...figures };
}

function asRecord(value: unknown): Record<string, unknown> {
  if (value instanceof Error) return { ...value, message: value.message };
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function firstLine(text: unknown): string {
  return typeof text === 'string' ? (text.split(/\r?\n/, 1)[0] ?? '').trim().slice(0, 500) : '';
}
