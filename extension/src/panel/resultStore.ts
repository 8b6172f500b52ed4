import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { AnalyzeParams, PromptSettings } from '../../shared/protocol';
import { isPlace, type Place } from '../prompts/place';

/** How an analysis was requested, without the prompt, which is in the payload. */
export type Asked = Pick<
  AnalyzeParams,
  'source' | 'allowDownload' | 'dtype' | 'device' | 'specialTokens' | 'topK' | 'chat'
>;

/** An analysis and its prompt's place. */
export interface StoredResult {
  runId: string;
  uri: string;
  title: string;
  asked: Asked;
  place: Place;
  /** The settings in the prompt's file. */
  settings: PromptSettings;
  /** Shown beside another analysis for comparison. */
  isComparison: boolean;
  payload: Uint8Array;
}

export interface StoreLimits {
  results: number;
  bytes: number;
}

const MAGIC = 'LMT1';
const HEAD = MAGIC.length + 4;

/** Analyses by run id, as files, so that a window reload shows them without asking the backend. The oldest go first. */
export class ResultStore {
  constructor(
    private readonly folder: string,
    private readonly limits: StoreLimits = { results: 20, bytes: 300e6 },
  ) {}

  /** Writes a result in one step: a reader sees all of it or none. */
  async put(result: StoredResult): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const file = this.#fileOf(result.runId);
    const draft = `${file}.${randomBytes(4).toString('hex')}`;
    try {
      await writeFile(draft, pack(result));
      await rename(draft, file);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    await this.#trim(file);
  }

  /** The result of a run; null if it is not stored or cannot be read. */
  async get(runId: string): Promise<StoredResult | null> {
    const file = this.#fileOf(runId);
    try {
      const result = unpack(await readFile(file));
      if (result?.runId !== runId) return null;
      const now = new Date();
      await utimes(file, now, now).catch(() => undefined);
      return result;
    } catch {
      return null;
    }
  }

  /** Drops a run, if it is stored. */
  async drop(runId: string): Promise<void> {
    await rm(this.#fileOf(runId), { force: true });
  }

  async #trim(newest: string): Promise<void> {
    const names = await readdir(this.folder);
    const files = await Promise.all(
      names.map(async (name) => {
        const file = path.join(this.folder, name);
        const found = await stat(file).catch(() => null);
        return { file, size: found?.size ?? 0, time: found?.mtimeMs ?? 0 };
      }),
    );
    files.sort((a, b) => (a.file === newest ? -1 : b.file === newest ? 1 : b.time - a.time));
    let bytes = 0;
    for (const [index, { file, size }] of files.entries()) {
      bytes += size;
      const within = index < this.limits.results && bytes <= this.limits.bytes;
      if (index > 0 && !within) await rm(file, { force: true });
    }
  }

  // a run id comes from the backend and is not a file name
  #fileOf(runId: string): string {
    return path.join(this.folder, `${createHash('sha256').update(runId).digest('hex').slice(0, 32)}.run`);
  }
}

function pack({ payload, ...rest }: StoredResult): Uint8Array {
  const json = Buffer.from(JSON.stringify(rest), 'utf8');
  const head = Buffer.alloc(HEAD);
  head.write(MAGIC, 'latin1');
  head.writeUInt32LE(json.length, MAGIC.length);
  return Buffer.concat([head, json, payload]);
}

function unpack(file: Buffer): StoredResult | null {
  if (file.length < HEAD || file.toString('latin1', 0, MAGIC.length) !== MAGIC) return null;
  const end = HEAD + file.readUInt32LE(MAGIC.length);
  if (end > file.length) return null;
  const rest: unknown = JSON.parse(file.toString('utf8', HEAD, end));
  if (!isRest(rest)) return null;
  const payload = new Uint8Array(file.length - end);
  payload.set(file.subarray(end));
  return { ...rest, payload };
}

function isRest(value: unknown): value is Omit<StoredResult, 'payload'> {
  if (typeof value !== 'object' || value === null) return false;
  const { runId, uri, title, asked, place, settings, isComparison } = value as Record<string, unknown>;
  const texts = [runId, uri, title].every((text) => typeof text === 'string');
  const records = [asked, settings].every((record) => typeof record === 'object' && record !== null);
  return texts && records && isPlace(place) && typeof isComparison === 'boolean';
}
