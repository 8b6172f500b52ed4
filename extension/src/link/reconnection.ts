import { Signal } from '../signal';
import { cancelled, Failure, type FailureKind, toFailure } from '../failure';

/** How long a request waits for the link before it fails. */
export const LINK_PATIENCE_MS = 30_000;

const GIVEN_UP_AFTER_MS = 30 * 60_000;
const LONGEST_MS = 30_000;

/** Pauses before the tries: short at first, then half a minute, for half an hour. */
export function* backOff(): Generator<number> {
  yield 0;
  let waited = 0;
  for (let pause = 500; waited < GIVEN_UP_AFTER_MS; pause = Math.min(2 * pause, LONGEST_MS)) {
    waited += pause;
    yield pause;
  }
}

const PASSING: ReadonlySet<FailureKind> = new Set(['linkLost', 'hostUnreachable', 'backendStopped']);

/** Whether trying again may help. */
export function isPassing(failure: Failure): boolean {
  return PASSING.has(failure.kind);
}

/** Tries until it succeeds, with pauses that a request which needs the link cuts short. */
export class Reconnection<T> {
  readonly done: Promise<T>;
  /** A try has failed. */
  readonly failed = new Signal<Failure>();
  #over = false;
  #wake: () => void = () => undefined;
  #reason: Failure;

  constructor(
    pauses: Iterable<number>,
    private readonly attempt: () => Promise<T>,
    reason: Failure,
  ) {
    this.#reason = reason;
    this.done = this.#run(pauses);
    this.done.catch(() => undefined);
  }

  /** The connection, within a time; rejects with the last failure when it has not come by then. */
  async within(ms: number): Promise<T> {
    this.#wake();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const remedy = `${this.#reason.remedy} The extension keeps trying.`.trim();
      timer = setTimeout(() => reject(new Failure('hostUnreachable', this.#reason.message, remedy)), ms);
    });
    try {
      return await Promise.race([this.done, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  giveUp(): void {
    this.#over = true;
    this.#wake();
  }

  async #run(pauses: Iterable<number>): Promise<T> {
    for (const pause of pauses) {
      await this.#pause(pause);
      if (this.#over) throw cancelled();
      try {
        return await this.attempt();
      } catch (error) {
        if (this.#over) throw cancelled();
        this.#reason = toFailure(error);
        if (!isPassing(this.#reason)) throw error;
        this.failed.fire(this.#reason);
      }
    }
    throw this.#reason;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
