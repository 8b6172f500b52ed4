import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { AnalyzeParams, EffectsResult, PromptSettings } from '../../shared/protocol';
import { isPlace, type Place } from '../prompts/place';
import { readEffects } from './effects';

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
  /** What is known of its effects. */
  effects: EffectsResult | null;
}

export interface StoreLimits {
  results: number;
  bytes: number;
}

const MAGIC = 'LMT1';
const HEAD = MAGIC.length + 4;

/** Analyses by run id, as files, so that a window reload shows them without asking the backend. The oldest go first. */
export class ResultStore {
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly folder: string,
    private readonly limits: StoreLimits = { results: 20, bytes: 300e6 },
  ) {}

  /** Writes a result in one step: a reader sees all of it or none. */
  put(result: StoredResult): Promise<void> {
    return this.#inTurn(async () => {
      await mkdir(this.folder, { recursive: true });
      const file = this.#fileOf(result.runId);
      await writeWhole(file, pack(result));
      if (result.effects) await writeWhole(beside(file), JSON.stringify(result.effects));
      await this.#trim(file);
    });
  }

  /** Keeps what is known of a run's effects, if the run is stored: small, and written often. */
  putEffects(runId: string, effects: EffectsResult): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#fileOf(runId);
      const isStored = await stat(file).catch(() => null);
      if (isStored) await writeWhole(beside(file), JSON.stringify(effects));
    });
  }

  // the later of two writings is the one that stays
  #inTurn(write: () => Promise<void>): Promise<void> {
    const writing = this.#writing.then(write);
    this.#writing = writing.catch(() => undefined);
    return writing;
  }

  /** The result of a run; null if it is not stored or cannot be read. */
  async get(runId: string): Promise<StoredResult | null> {
    const file = this.#fileOf(runId);
    try {
      const result = unpack(await readFile(file));
      if (result?.runId !== runId) return null;
      const now = new Date();
      await utimes(file, now, now).catch(() => undefined);
      return { ...result, effects: await effectsIn(beside(file)) };
    } catch {
      return null;
    }
  }

  /** Drops a run, if it is stored. */
  drop(runId: string): Promise<void> {
    return this.#inTurn(() => remove([this.#fileOf(runId), beside(this.#fileOf(runId))]));
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
    const runs = new Map<string, { files: string[]; size: number; time: number }>();
    for (const { file, size, time } of files) {
      const run = runs.get(stemOf(file)) ?? { files: [], size: 0, time: 0 };
      runs.set(stemOf(file), {
        files: [...run.files, file],
        size: run.size + size,
        time: Math.max(run.time, time),
      });
    }
    const timeOf = ([stem, { time }]: [string, { time: number }]) => (stem === stemOf(newest) ? Infinity : time);
    let bytes = 0;
    for (const [index, [, run]] of [...runs].sort((a, b) => timeOf(b) - timeOf(a)).entries()) {
      bytes += run.size;
      const within = index < this.limits.results && bytes <= this.limits.bytes;
      if (index > 0 && !within) await remove(run.files);
    }
  }

  // a run id comes from the backend and is not a file name
  #fileOf(runId: string): string {
    return path.join(this.folder, `${createHash('sha256').update(runId).digest('hex').slice(0, 32)}.run`);
  }
}

/** The part of a file's name that all files of a run share. */
function stemOf(file: string): string {
  return path.basename(file).split('.', 1)[0] ?? '';
}

/** Where the effects of a run are. */
function beside(run: string): string {
  return path.join(path.dirname(run), `${stemOf(run)}.effects`);
}

/** Null where there are none, or none that can be read. */
async function effectsIn(file: string): Promise<EffectsResult | null> {
  try {
    return readEffects(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null;
  }
}

async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(draft, content);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function remove(files: readonly string[]): Promise<void> {
  for (const file of files) await rm(file, { force: true });
}

function pack({ payload, effects: _, ...rest }: StoredResult): Uint8Array {
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
  return { ...rest, payload, effects: null };
}

function isRest(value: unknown): value is Omit<StoredResult, 'payload' | 'effects'> {
  if (typeof value !== 'object' || value === null) return false;
  const { runId, uri, title, asked, place, settings, isComparison } = value as Record<string, unknown>;
  const texts = [runId, uri, title].every((text) => typeof text === 'string');
  const records = [asked, settings].every((record) => typeof record === 'object' && record !== null);
  return texts && records && isPlace(place) && typeof isComparison === 'boolean';
}
