import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// as long as a server waits after its last window
const GRACE_MS = 30_000;

/**
 * When this workspace's window last left its backend: one that is loaded anew joins again before the backend takes it
 * for gone. A file, and written at once: what else VS Code would keep may come too late when a window ends.
 */
export class Visit {
  readonly #file: string;

  constructor(private readonly folder: string) {
    this.#file = path.join(folder, 'left');
  }

  wasJustNow(): boolean {
    const found = statSync(this.#file, { throwIfNoEntry: false });
    return found !== undefined && Date.now() - found.mtimeMs < GRACE_MS;
  }

  leave(): void {
    try {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(this.#file, '');
    } catch {
      // then it starts when it is first used
    }
  }
}
