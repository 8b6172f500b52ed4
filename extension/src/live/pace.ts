import type { Outcome } from '../panel/analyses';

export interface Counts {
  started: number;
  superseded: number;
  shown: number;
}

/**
 * When to analyze a text that is being typed: after a pause of `delayMs`. A newer run ends the one before it, unless
 * nothing was shown for `patienceMs`: then that one comes to its end first, so that steady typing shows something.
 */
export class Pace {
  readonly counts: Counts = { started: 0, superseded: 0, shown: 0 };
  #timer: NodeJS.Timeout | undefined;
  #running = 0;
  #waits = false;
  #lastShown = 0;
  #stopped = false;

  constructor(
    private readonly run: () => Promise<Outcome>,
    private readonly options: { delayMs: () => number; patienceMs: number; now: () => number; idle: () => void },
  ) {}

  /** The text has changed. */
  touch(): void {
    if (this.#stopped) return;
    if (this.#running === 0 && this.#timer === undefined) this.#lastShown = this.options.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#pause(), this.options.delayMs());
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #pause(): void {
    this.#timer = undefined;
    this.#waits = this.#running > 0 && this.options.now() - this.#lastShown > this.options.patienceMs;
    if (!this.#waits) void this.#start();
  }

  async #start(): Promise<void> {
    this.#waits = false;
    this.#running += 1;
    this.counts.started += 1;
    const outcome = await this.run();
    this.#running -= 1;
    if (outcome === 'superseded') this.counts.superseded += 1;
    if (outcome === 'shown') {
      this.counts.shown += 1;
      this.#lastShown = this.options.now();
    }
    if (this.#stopped || this.#running > 0) return;
    if (this.#waits) return this.#start();
    if (this.#timer === undefined) this.options.idle();
  }
}
