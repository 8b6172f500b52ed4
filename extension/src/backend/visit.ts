import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// as long as a server waits after its last window
const GRACE_MS = 30_000;

/**
 * When this workspace's window last left its backend. A window that reloads joins again before the backend takes it for
 * gone. Kept in a file that is written at once: VS Code's own storage may be written too late when a window closes.
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
