import { type EffectsResult, INSPECTIONS } from '../../shared/protocol';
import { MOST_ITEMS } from '../../shared/webview';
import type { Method, Params, Question } from '../../shared/webview';
import { readEffects } from './effects';
import { isRecord, isText } from './foreign';

type Plain = number | boolean | string | number[] | string[];
type Param = Plain | EffectsResult;

const LONGEST_TEXT = 200;
const MOST_PARAMS = 24;
/** The one param that is a record. */
const EFFECTS = 'effects';
const NAME = /^[a-z][A-Za-z]{0,39}$/;

/**
 * A question of the webview, copied value by value: a method that is known, and params that are flat and small, but for
 * the effects that an export brings along.
 *
 * What the params mean is the backend's to check; here nothing gets through that could be more than a question.
 */
export function readQuestion(value: unknown): Question | null {
  if (!isRecord(value)) return null;
  const method = INSPECTIONS.find((known) => known === value['method']);
  const params = method && readParams(value['params']);
  return params ? { method, params: params as unknown as Params<Method> } : null;
}

function readParams(value: unknown): Record<string, Param> | null {
  if (!isRecord(value)) return null;
  const entries = Object.entries(value);
  if (entries.length > MOST_PARAMS) return null;
  const params: Record<string, Param> = {};
  for (const [name, given] of entries) {
    // the extension makes its own token where it listens for progress
    if (name === 'workDoneToken') continue;
    if (!NAME.test(name) || name in Object.prototype) return null;
    // null says the same as a param that is not there
    if (given === undefined || given === null) continue;
    const read = name === EFFECTS ? readEffects(given) : readPlain(given);
    if (read === null) return null;
    params[name] = read;
  }
  return isShort(params['runId']) ? params : null;
}

function readPlain(value: unknown): Plain | null {
  if (typeof value === 'boolean' || Number.isFinite(value) || isShort(value)) return value as Plain;
  if (!Array.isArray(value) || value.length > MOST_ITEMS) return null;
  // copied first, so that holes are looked at as well
  const copied: unknown[] = Array.from(value);
  const isPlain = copied.every((item) => Number.isFinite(item)) || copied.every(isShort);
  return isPlain ? (copied as number[] | string[]) : null;
}

function isShort(value: unknown): value is string {
  return isText(value, LONGEST_TEXT);
}
