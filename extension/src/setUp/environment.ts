import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { OwnEnvironment } from './findPython';
import { interpreterOf, type Platform } from './paths';

// short names: Windows allows 260 characters and torch's own paths are long
const FOLDER = 'env';
const RECORD = 'environment.json';
const YOUNG_MS = 3_600_000;

/**
 * The environments under global storage. One counts only when `environment.json` names it, and that file is written
 * last, in one step: an environment that was interrupted is never used.
 */
export class Environments {
  constructor(
    private readonly storage: string,
    private readonly platform: Platform,
  ) {}

  /** The finished environment, if there is one. */
  async current(): Promise<OwnEnvironment | null> {
    const record = await this.#record();
    return record && { python: interpreterOf(this.#at(record.folder), this.platform), version: record.version };
  }

  /** A fresh folder for an environment to be built in. */
  async create(): Promise<string> {
    const folder = this.#at(randomBytes(4).toString('hex'));
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Makes a finished environment the current one. */
  async finish(folder: string, version: string): Promise<void> {
    const file = path.join(this.storage, RECORD);
    const draft = `${file}.${randomBytes(4).toString('hex')}`;
    await writeFile(draft, JSON.stringify({ folder: path.basename(folder), version }));
    await rename(draft, file);
  }

  async remove(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 200 });
  }

  /** Removes environments that are neither current nor young; a young one may be another window's, still being built. */
  async tidy(now = Date.now()): Promise<void> {
    const record = await this.#record();
    const names = await readdir(path.join(this.storage, FOLDER)).catch(() => []);
    for (const name of names) {
      if (name === record?.folder) continue;
      const age = await stat(this.#at(name)).then(
        (found) => now - found.mtimeMs,
        () => 0,
      );
      if (age > YOUNG_MS) await this.remove(this.#at(name)).catch(() => undefined);
    }
  }

  #at(name: string): string {
    return path.join(this.storage, FOLDER, name);
  }

  async #record(): Promise<{ folder: string; version: string } | null> {
    try {
      const record: unknown = JSON.parse(await readFile(path.join(this.storage, RECORD), 'utf8'));
      if (typeof record !== 'object' || record === null) return null;
      const { folder, version } = record as Record<string, unknown>;
      const valid = typeof folder === 'string' && /^[0-9a-f]{8}$/.test(folder) && typeof version === 'string';
      return valid ? { folder, version } : null;
    } catch {
      return null;
    }
  }
}
