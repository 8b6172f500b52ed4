import { INSPECTIONS } from '../../shared/protocol';
import type { Method, Params, Question } from '../../shared/webview';

type Plain = number | boolean | string | number[] | string[];

const LONGEST_TEXT = 200;
const MOST_ITEMS = 64;
const MOST_PARAMS = 24;
const NAME = /^[a-z][A-Za-z]{0,39}$/;

/**
 * A question of the webview, copied value by value: a method that is known, and params that are flat and small.
 *
 * What the params mean is the backend's to check; here nothing gets through that could be more than a question.
 */
export function readQuestion(value: unknown): Question | null {
  if (!isRecord(value)) return null;
  const method = INSPECTIONS.find((known) => known === value['method']);
  const params = method && readParams(value['params']);
  return params ? { method, params: params as unknown as Params<Method> } : null;
}

function readParams(value: unknown): Record<string, Plain> | null {
  if (!isRecord(value)) return null;
  const entries = Object.entries(value);
  if (entries.length > MOST_PARAMS) return null;
  const params: Record<string, Plain> = {};
  for (const [name, given] of entries) {
    // the extension makes its own token where it listens for progress
    if (name === 'workDoneToken' || given === undefined) continue;
    const plain = !NAME.test(name) || name in Object.prototype ? null : readPlain(given);
    if (plain === null) return null;
    params[name] = plain;
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
  return typeof value === 'string' && value.length <= LONGEST_TEXT;
}

/** An object as JSON makes it: no array, and of no class. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
