import type { Progress } from '../link/connection';

/** Passes on the stages of one request, and each second for how long the present one has lasted. */
export class Stages {
  #latest: Progress = { message: '', fraction: null };
  #stage = '';
  #since = Date.now();
  readonly #timer = setInterval(() => this.#tell(), 1000);

  constructor(private readonly onProgress: (progress: Progress) => void) {
    this.#timer.unref();
  }

  readonly say = (progress: Progress): void => {
    this.#latest = progress;
    // "Forward pass, layer 3 of 30": the stage is the part before the count
    const stage = progress.message.split(',', 1)[0] ?? '';
    if (stage !== this.#stage) this.#since = Date.now();
    this.#stage = stage;
    this.#tell();
  };

  dispose(): void {
    clearInterval(this.#timer);
  }

  #tell(): void {
    const { message, fraction } = this.#latest;
    const seconds = Math.floor((Date.now() - this.#since) / 1000);
    if (message === '') return this.onProgress(this.#latest);
    // who says the time that is left has said enough
    const isTimed = seconds < 1 || message.endsWith(' left');
    this.onProgress({ message: isTimed ? message : `${message}, ${seconds} s`, fraction });
  }
}
