/** The bytes of an analysis → typed columns, or a sentence that says what is wrong. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { decode } from '@msgpack/msgpack';
import { COLUMN_TYPES, PAYLOAD_FORMAT } from '../../../extension/shared/protocol';
import type { AnalysisColumns, AnalysisMeta } from '../../../extension/shared/protocol';

export interface Analysis {
  meta: AnalysisMeta;
  columns: AnalysisColumns;
  /** [L×T+1] first edge of each row (layer, query): edges of row r are rowOffset[r] … rowOffset[r+1] − 1. */
  rowOffset: Uint32Array;
}

export class PayloadError extends Error {}

type Column = Uint16Array | Uint32Array | Float32Array;
const ARRAYS = { uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array } as const;

/** Whether every row is present: until then `known` lists those that are, afterwards it is empty. */
export const isComplete = ({ columns }: Analysis): boolean => columns.known.length === 0;

/** The most probable output at a position, as its number; null where there is none. */
export function predictedAt({ columns, meta }: Analysis, position: number): number | null {
  const each = columns.predictionId.length / meta.tokens.length;
  return columns.predictionId[position * each] ?? null;
}

/** msgpack map {"meta", "columns": {name: {dtype, shape, data}}} → checked, typed columns. */
export function decodeAnalysis(bytes: ArrayBuffer | Uint8Array): Analysis {
  let root: unknown;
  try {
    root = decode(bytes);
  } catch {
    throw new PayloadError('The analysis could not be read: its bytes are damaged.');
  }
  if (!isRecord(root) || !isRecord(root['meta']) || !isRecord(root['columns'])) {
    throw new PayloadError('The analysis could not be read: meta or columns are missing.');
  }
  const meta = checkMeta(root['meta']);
  const columns = readColumns(root['columns']);
  return { meta, columns, rowOffset: checkColumns(meta, columns) };
}

function checkMeta(meta: Record<string, unknown>): AnalysisMeta {
  if (meta['format'] !== PAYLOAD_FORMAT) {
    throw new PayloadError(
      `The analysis has format ${String(meta['format'])}, but this view reads ${PAYLOAD_FORMAT}: extension and backend have different versions.`,
    );
  }
  const { model, tokens, predicted, proof } = meta;
  const complete = isRecord(model) && Array.isArray(tokens) && Array.isArray(predicted) && isRecord(proof);
  if (!complete) throw new PayloadError('The analysis is incomplete: model, tokens, predictions or proof are missing.');
  if (tokens.length === 0) throw new PayloadError('The analysis holds no tokens.');
  if (typeof model['nLayers'] !== 'number' || model['nLayers'] < 1)
    throw new PayloadError('The analysis names no layers.');
  const target = typeof meta['target'] === 'number' ? meta['target'] : tokens.length - 1;
  // results of an earlier version lack these
  const parts = { worstPart: 'layer', attention: [], ffn: [], whole: [] };
  return {
    layerKinds: [],
    ...meta,
    target,
    model: { task: 'token', labels: [], ...model },
    proof: { ...parts, ...proof },
  } as unknown as AnalysisMeta;
}

function readColumns(source: Record<string, unknown>): AnalysisColumns {
  const columns: Partial<Record<keyof AnalysisColumns, Column>> = {};
  for (const name of Object.keys(COLUMN_TYPES) as (keyof AnalysisColumns)[]) {
    if ((name === 'mixer' || name === 'known') && source[name] === undefined) continue;
    columns[name] = readColumn(name, source[name], COLUMN_TYPES[name]);
  }
  // An analysis saved by an earlier version has no mixers and is complete.
  columns.mixer ??= new Float32Array(columns.ffn?.length ?? 0);
  if (columns.known?.every((known) => known > 0) ?? true) columns.known = new Uint16Array();
  return columns as AnalysisColumns;
}

function readColumn(name: string, entry: unknown, dtype: keyof typeof ARRAYS): Column {
  if (!isRecord(entry)) throw new PayloadError(`The analysis lacks the column ${name}.`);
  const { data, shape } = entry;
  if (entry['dtype'] !== dtype)
    throw new PayloadError(`Column ${name} has type ${String(entry['dtype'])} instead of ${dtype}.`);
  if (!(data instanceof Uint8Array) || !Array.isArray(shape)) throw new PayloadError(`Column ${name} holds no data.`);
  const length = shape.reduce((product: number, size: unknown) => product * Number(size), 1);
  const ArrayType = ARRAYS[dtype];
  if (data.byteLength !== length * ArrayType.BYTES_PER_ELEMENT) {
    throw new PayloadError(
      `Column ${name} holds ${data.byteLength} bytes where its shape needs ${length * ArrayType.BYTES_PER_ELEMENT}.`,
    );
  }
  // A typed array must start at a multiple of its element size; msgpack does not care where data starts.
  const aligned = data.byteOffset % ArrayType.BYTES_PER_ELEMENT === 0;
  const bytes = aligned ? data : new Uint8Array(data);
  return new ArrayType(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
}

function checkColumns(meta: AnalysisMeta, columns: AnalysisColumns): Uint32Array {
  const nLayers = meta.model.nLayers;
  const nTokens = meta.tokens.length;
  const nEdges = columns.edgeLayer.length;
  const nHeads = columns.headIndex.length;
  const perRow = ['attentionResidual', 'attentionBias', 'mixer', 'ffn', 'ffnResidual'] as const;
  for (const name of perRow) expectLength(name, columns[name].length, nLayers * nTokens);
  for (const name of ['edgeQuery', 'edgeKey', 'edgeWeight'] as const) expectLength(name, columns[name].length, nEdges);
  if (columns.known.length > 0) expectLength('known', columns.known.length, nLayers * nTokens);
  expectLength('headOffset', columns.headOffset.length, nEdges + 1);
  expectLength('headWeight', columns.headWeight.length, nHeads);
  expectLength('predictionProbability', columns.predictionProbability.length, columns.predictionId.length);
  expectLength('predicted', meta.predicted.length, nTokens);
  if (columns.headOffset[nEdges] !== nHeads) throw new PayloadError('Column headOffset does not end at the last head.');

  const rowOffset = new Uint32Array(nLayers * nTokens + 1);
  let last = -1;
  for (let e = 0; e < nEdges; e++) {
    const layer = columns.edgeLayer[e]!;
    const query = columns.edgeQuery[e]!;
    const key = columns.edgeKey[e]!;
    if (layer >= nLayers || query >= nTokens || key > query)
      throw new PayloadError(`Edge ${e} lies outside of the graph.`);
    if (columns.headOffset[e]! > columns.headOffset[e + 1]!)
      throw new PayloadError('Column headOffset does not ascend.');
    const row = layer * nTokens + query;
    const order = row * nTokens + key;
    if (order <= last) throw new PayloadError('The edges are not sorted by layer, query and key.');
    last = order;
    rowOffset[row + 1]!++;
  }
  for (let row = 0; row < nLayers * nTokens; row++) rowOffset[row + 1]! += rowOffset[row]!;
  return rowOffset;
}

function expectLength(name: string, length: number, expected: number): void {
  if (length !== expected) throw new PayloadError(`Column ${name} has ${length} entries instead of ${expected}.`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
