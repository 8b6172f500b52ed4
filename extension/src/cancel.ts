/** Something that can be cancelled; vscode's and vscode-jsonrpc's cancellation tokens both fit. */
export interface Cancel {
  readonly isCancellationRequested: boolean;
  onCancellationRequested(listener: (reason?: unknown) => void): { dispose(): void };
}

/** Makes a `Cancel` and triggers it; optionally follows others. Needs no VS Code. */
export class CancelSource {
  #requested = false;
  readonly #listeners = new Set<() => void>();
  readonly #followed: { dispose(): void }[] = [];

  readonly token: Cancel;

  constructor(...parents: (Cancel | undefined)[]) {
    const isRequested = () => this.#requested;
    this.token = {
      get isCancellationRequested() {
        return isRequested();
      },
      onCancellationRequested: (listener) => this.#listen(listener),
    };
    for (const parent of parents) {
      if (parent?.isCancellationRequested) this.cancel();
      else if (parent) this.#followed.push(parent.onCancellationRequested(() => this.cancel()));
    }
  }

  cancel(): void {
    if (this.#requested) return;
    this.#requested = true;
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch {
        // telling a backend that has just gone away fails, and that is fine
      }
    }
    this.dispose();
  }

  /** Drops its listeners and the tokens it follows. */
  dispose(): void {
    this.#listeners.clear();
    for (const followed of this.#followed.splice(0)) followed.dispose();
  }

  #listen(listener: () => void): { dispose(): void } {
    if (this.#requested) {
      const timer = setTimeout(listener, 0);
      return { dispose: () => clearTimeout(timer) };
    }
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  }
}
