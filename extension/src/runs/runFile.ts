import { createHash } from 'node:crypto';
import { DTYPES, SPECIAL_TOKENS } from '../settings';
import type { Dtype, EffectsResult, SpecialTokens } from '../../shared/protocol';
import { readEffects } from '../panel/effects';
import { isRecord } from '../panel/foreign';

/** Every run file ends so: one analysis as JSON, written by the backend (`exports/run.py`). */
export const RUN_SUFFIX = '.run.json';
/** Saved runs are in a folder of this name beside their prompts. */
export const RUN_FOLDER = '.lm-transparency';

const MARK = 'lm_transparency_run';
const RUN_FORMAT = 1;
const ORIGIN_LINE = /^ "from": .*,$/m;
const LONGEST_PROMPT = 20_000_000;

/** Where a run's prompt stands: in `file` as seen from the run file. The rest is of this machine, and is not saved. */
export interface Origin {
  file?: string;
  start: number;
  end: number;
  uri?: string;
  source?: string;
  /** The run id under which the whole analysis is kept. */
  kept?: string;
}

/** The part of a run file that the extension reads. */
export interface RunContent {
  created: string;
  prompt: string;
  /** The model's name, without folders. */
  model: string;
  asked: { model: string; dtype: Dtype; specialTokens: SpecialTokens; chat: boolean; topK: number };
  target: number;
  threshold: number;
  renormalize: boolean;
  tokens: number;
  /** What the model says first, and its probability; null for a value. */
  answer: { text: string; probability: number | null } | null;
  origin: Origin | null;
  /** Those on the target that were known when it was saved. */
  effects: EffectsResult | null;
}

/** A file that is none, and why. */
export class BrokenRun extends Error {}

/** Reads a run file. Throws `BrokenRun`. */
export function readRun(text: string): RunContent {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch (error) {
    throw new BrokenRun(`it is not JSON: ${(error as Error).message}`);
  }
  if (!isRecord(whole) || !(MARK in whole)) throw new BrokenRun(`it has no "${MARK}"`);
  if (whole[MARK] !== RUN_FORMAT)
    throw new BrokenRun(`its format is ${JSON.stringify(whole[MARK])}, and ${RUN_FORMAT} is what this version reads`);
  const asked = recordAt(whole, 'asked');
  const tokens = listAt(whole, 'tokens');
  const position = countAt(recordAt(whole, 'target'), 'target.position', 'position');
  const target = Math.min(position, Math.max(0, tokens.length - 1));
  return {
    created: typeof whole['created'] === 'string' ? whole['created'] : '',
    prompt: promptOf(whole['prompt']),
    model: textAt(recordAt(whole, 'model', 'model'), 'model.name', 'name'),
    asked: {
      model: textAt(asked, 'asked.model', 'model'),
      dtype: choiceAt(asked, 'dtype', DTYPES),
      specialTokens: choiceAt(asked, 'special_tokens', SPECIAL_TOKENS),
      chat: asked['chat'] === true,
      topK: Math.min(100, countAt(asked, 'asked.top_k', 'top_k') || 1),
    },
    target,
    threshold: shareOf(whole['threshold']),
    renormalize: whole['renormalize'] !== false,
    tokens: tokens.length,
    answer: answerOf(listAt(whole, 'predictions')[0]),
    origin: originOf(whole['from']),
    effects: effectsOf(whole['effects'], target),
  };
}

/**
 * What tells runs apart: the prompt, and all that was asked for. The same prompt analyzed again is the same run, on
 * any machine, so that a link to it holds.
 */
export function runKey({ prompt, model, asked }: RunContent): string {
  const { dtype, specialTokens, chat } = asked;
  const said = JSON.stringify([prompt, model, dtype, specialTokens, chat]);
  return createHash('sha256').update(said).digest('hex').slice(0, 16);
}

/** The file's text with another origin; the rest stays byte by byte. Throws `BrokenRun`. */
export function withOrigin(text: string, origin: Origin | null): string {
  if (!ORIGIN_LINE.test(text)) throw new BrokenRun('it has no line "from": another program reformatted it');
  return text.replace(ORIGIN_LINE, () => ` "from": ${JSON.stringify(origin)},`);
}

function promptOf(lines: unknown): string {
  if (!Array.isArray(lines) || !lines.every((line) => typeof line === 'string'))
    throw new BrokenRun('"prompt" is not a list of lines');
  const prompt = lines.join('\n');
  if (prompt === '' || prompt.length > LONGEST_PROMPT) throw new BrokenRun('"prompt" is empty, or too long');
  return prompt;
}

function answerOf(row: unknown): RunContent['answer'] {
  if (!isRecord(row) || typeof row['text'] !== 'string') return null;
  const probability = row['probability'];
  return { text: row['text'], probability: typeof probability === 'number' ? probability : null };
}

/** Null where there are none, or none that can be read: the graph is there without them. */
function effectsOf(value: unknown, position: number): EffectsResult | null {
  if (!isRecord(value)) return null;
  // what a file leaves out: what its runs do not share, and what is usual
  const timing = { forwardS: 0, backwardS: 0, measuredS: 0, nMeasured: 0 };
  const leftOut = { proof: { shareError: null }, timing, notices: [], complete: true };
  return readEffects({ ...leftOut, ...value, position });
}

function originOf(value: unknown): Origin | null {
  if (!isRecord(value)) return null;
  const text = (key: string) => (typeof value[key] === 'string' ? value[key] : undefined);
  const count = (key: string) => (Number.isSafeInteger(value[key]) && (value[key] as number) >= 0 ? value[key] : 0);
  return {
    ...{ file: text('file'), uri: text('uri'), source: text('source'), kept: text('kept') },
    ...{ start: count('start') as number, end: count('end') as number },
  };
}

function recordAt(whole: Record<string, unknown>, key: string, name = key): Record<string, unknown> {
  const value = whole[key];
  if (!isRecord(value)) throw new BrokenRun(`"${name}" is not an object`);
  return value;
}

function listAt(whole: Record<string, unknown>, key: string): unknown[] {
  const value = whole[key];
  if (!Array.isArray(value)) throw new BrokenRun(`"${key}" is not a list`);
  return value;
}

function textAt(whole: Record<string, unknown>, name: string, key: string): string {
  const value = whole[key];
  if (typeof value !== 'string' || value === '') throw new BrokenRun(`"${name}" is not a string`);
  return value;
}

function countAt(whole: Record<string, unknown>, name: string, key: string): number {
  const value = whole[key];
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new BrokenRun(`"${name}" is not a number`);
  return value as number;
}

function choiceAt<T extends string>(whole: Record<string, unknown>, key: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === whole[key]);
  if (found === undefined) throw new BrokenRun(`"asked.${key}" is none of ${choices.join(', ')}`);
  return found;
}

function shareOf(value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw new BrokenRun('"threshold" is not 0 to 1');
  return value;
}
