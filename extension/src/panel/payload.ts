import { decode } from '@msgpack/msgpack';
import { PAYLOAD_FORMAT, type AnalyzeResult, type TokenInfo } from '../../shared/protocol';
import { Failure } from '../failure';

/** The part of an analysis that the extension reads; the rest is for the webview. */
export interface Heading {
  prompt: string;
  modelName: string;
  /** The position that the model's answer comes from. */
  target: number;
  tokens: TokenInfo[];
}

/** The run that a reply to an analyze request is about; what the analysis says is not read for it. */
export function runIdOf(reply: unknown): string {
  const { runId } = isRecord(reply) ? (reply as Partial<AnalyzeResult>) : {};
  if (typeof runId !== 'string' || runId === '') throw malformed();
  return runId;
}

/** The analysis in such a reply as bytes, in a buffer of exactly their size. */
export function payloadBytes(reply: unknown): Uint8Array {
  const { payload } = isRecord(reply) ? (reply as Partial<AnalyzeResult>) : {};
  if (typeof payload !== 'string') throw malformed();
  const decoded = Buffer.from(payload, 'base64');
  const bytes = new Uint8Array(decoded.length);
  bytes.set(decoded);
  return bytes;
}

/** The bytes as one buffer of exactly their size. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  const isTight = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return (isTight ? bytes.buffer : bytes.slice().buffer) as ArrayBuffer;
}

/** Reads the small part of an analysis. Throws a `Failure` for bytes that are not one. */
export function readHeading(bytes: Uint8Array): Heading {
  let whole: unknown;
  try {
    whole = decode(bytes);
  } catch {
    throw malformed();
  }
  const meta = isRecord(whole) ? whole['meta'] : undefined;
  if (!isRecord(meta) || meta['format'] !== PAYLOAD_FORMAT) throw malformed();
  const { prompt, model, tokens } = meta;
  if (typeof prompt !== 'string' || !Array.isArray(tokens)) throw malformed();
  if (!tokens.every(isToken)) throw malformed();
  const name = isRecord(model) ? model['name'] : undefined;
  const target = typeof meta['target'] === 'number' ? meta['target'] : tokens.length - 1;
  return { prompt, tokens, target, modelName: typeof name === 'string' ? name : '' };
}

function isToken(value: unknown): value is TokenInfo {
  return isRecord(value) && typeof value['start'] === 'number' && typeof value['end'] === 'number';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function malformed(): Failure {
  return new Failure(
    'backendOutdated',
    'The backend sent an analysis that this extension cannot read.',
    'Set up the backend again to match the versions.',
  );
}
