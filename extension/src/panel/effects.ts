import type {
  EffectsResult,
  FaithfulnessResult,
  MetricKind,
  Output,
  UnitEffect,
  UnitKind,
} from '../../shared/protocol';
import { isCount, isFiniteNumber, isRecord, isText, readList } from './foreign';

const KINDS: Record<UnitKind, true> = {
  edge: true,
  edge_head: true,
  head: true,
  head_all: true,
  ffn: true,
  neuron: true,
  expert: true,
  bias: true,
  residual: true,
  token: true,
};
const METRICS: Record<MetricKind, true> = { logit: true, logprob: true };

const MOST_UNITS = 5000;
const MOST_NOTICES = 64;
const LONGEST_NAME = 200;
const LONGEST_TEXT = 2000;

/** Effects from a webview or a file, copied field by field; null for what is not a whole result, or a huge one. */
export function readEffects(value: unknown): EffectsResult | null {
  if (!isRecord(value)) return null;
  const { position, complete } = value;
  const metric = readMetric(value['metric']);
  const units = readList(value['units'], MOST_UNITS, readUnit);
  const faithfulness = readFaithfulness(value['faithfulness']);
  const proof = readNumbers(value['proof'], ['shareError']);
  const timing = readAmounts(value['timing']);
  const notices = readList(value['notices'], MOST_NOTICES, (text) => (isText(text, LONGEST_TEXT) ? text : null));
  if (!isCount(position) || !metric || !units || faithfulness === undefined) return null;
  if (!proof || !timing || !notices || typeof complete !== 'boolean') return null;
  return { position, metric, units, faithfulness, proof, timing, notices, complete };
}

function readMetric(value: unknown): EffectsResult['metric'] | null {
  if (!isRecord(value)) return null;
  const { kind, value: amount } = value;
  const target = readOutput(value['target']);
  const contrast = value['contrast'] === null ? null : readOutput(value['contrast']);
  if (!isOneOf(METRICS, kind) || !target || contrast === undefined || !isFiniteNumber(amount)) return null;
  return { kind, target, contrast, value: amount };
}

function readOutput(value: unknown): Output | undefined {
  if (!isRecord(value)) return undefined;
  const { id, text } = value;
  return isCount(id) && isText(text, LONGEST_TEXT) ? { id, text } : undefined;
}

function readUnit(value: unknown): UnitEffect | null {
  if (!isRecord(value)) return null;
  const { unit, kind, text, how } = value;
  if (!isText(unit, LONGEST_NAME) || !isText(how, LONGEST_NAME) || !isText(text, LONGEST_TEXT)) return null;
  const numbers = readNumbers(value, ['predicted', 'measured', 'kl', 'share']);
  return numbers && isOneOf(KINDS, kind) ? { unit, kind, text, how, ...numbers } : null;
}

/** Undefined for what is not one. */
function readFaithfulness(value: unknown): FaithfulnessResult | null | undefined {
  if (value === null) return null;
  const numbers = readNumbers(value, ['sign', 'rho', 'kept', 'removed']);
  const n = isRecord(value) ? value['n'] : undefined;
  return numbers && isCount(n) ? { n, ...numbers } : undefined;
}

function readAmounts(value: unknown): EffectsResult['timing'] | null {
  if (!isRecord(value)) return null;
  const { forwardS, backwardS, measuredS, nMeasured } = value;
  if (!isFiniteNumber(forwardS) || !isFiniteNumber(backwardS) || !isFiniteNumber(measuredS)) return null;
  return isCount(nMeasured) ? { forwardS, backwardS, measuredS, nMeasured } : null;
}

/** Fields that are a finite number, or null where nothing is known. */
function readNumbers<K extends string>(value: unknown, names: readonly K[]): Record<K, number | null> | null {
  if (!isRecord(value)) return null;
  const read = names.map((name) => [name, value[name]] as const);
  const isKnown = read.every(([, number]) => number === null || isFiniteNumber(number));
  return isKnown ? (Object.fromEntries(read) as Record<K, number | null>) : null;
}

function isOneOf<K extends string>(names: Record<K, true>, value: unknown): value is K {
  return typeof value === 'string' && Object.hasOwn(names, value);
}
