/** So long without any sign of progress, and the person is asked. */
export const PATIENCE_MS = 120_000;

/**
 * Notices that what somebody waits for makes no progress. Time alone is no fault: a sign is a stage, a count that
 * advances, or processor time that the backend takes.
 */
export class Patience {
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `onStandstill` is called each time that no sign came for `patienceMs()`, as long as somebody waits. */
  constructor(
    private readonly onStandstill: () => void,
    private readonly patienceMs: () => number = () => PATIENCE_MS,
  ) {}

  /** Progress was made. */
  readonly sign = (): void => {
    clearTimeout(this.#timer);
    if (this.#waiting === 0) return;
    this.#timer = setTimeout(() => {
      this.sign();
      this.onStandstill();
    }, this.patienceMs());
  };

  /** Somebody waits for this. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#waiting += 1;
    // a later request does not hide an earlier one that makes no progress
    if (this.#waiting === 1) this.sign();
    try {
      return await work;
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) clearTimeout(this.#timer);
    }
  }
}
