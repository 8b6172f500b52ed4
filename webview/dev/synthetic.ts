/** SYNTHETIC analyses in the payload's format, for sizes no recording is at hand for. Not part of the product. */
import { encode } from '@msgpack/msgpack';
import { PAYLOAD_FORMAT } from '../../extension/shared/protocol';
import type { AnalysisMeta, ModelInfo } from '../../extension/shared/protocol';
import { randomNumbers } from './numbers';
import { sparseRows } from './sparse';
import type { SparseRows } from './sparse';

export interface SyntheticOptions {
  nLayers: number;
  nTokens: number;
  nHeads?: number;
  parallel?: boolean;
  seed?: number;
  floor?: number;
  proofHolds?: boolean;
  task?: ModelInfo['task'];
  /** Edges in a row: only so many are made, which long prompts need. Otherwise every pair of tokens has a weight. */
  density?: number;
  /** Experts of each layer; neurons where there are none. */
  nExperts?: number[];
}

const LABELS = ['POSITIVE', 'NEGATIVE'];
const WORDS = ' the, time, a, river, of, Mary, to, gave,ing, store,tion, with,.,\n, 42, and, John'.split(',');

export interface Payload {
  meta: AnalysisMeta;
  columns: Record<string, { dtype: string; shape: number[]; data: Uint8Array }>;
}

export const packed = (payload: Payload): Uint8Array => encode(payload);
export const syntheticPayload = (options: SyntheticOptions): Uint8Array => packed(unpacked(options));

/** An analysis whose rows sum to 1 and of which few parts are large, as in a real model. */
export function unpacked(options: SyntheticOptions): Payload {
  const { nLayers, nTokens, nHeads = 9, floor = 0.005 } = options;
  const random = randomNumbers(options.seed ?? 7);
  const made = options.density
    ? sparseRows(nLayers, nTokens, nHeads, options.density, floor)
    : denseRows(options, random);

  const topK = options.task === undefined || options.task === 'token' ? 10 : LABELS.length;
  const probability = new Float32Array(nTokens * topK);
  for (let t = 0; t < nTokens; t++) {
    let left = 0.2 + 0.7 * random();
    for (let k = 0; k < topK; k++, left *= 0.4) probability[t * topK + k] = left * 0.6;
  }
  const column = (data: Uint16Array | Uint32Array | Float32Array, shape: number[] = [data.length]) => ({
    dtype: data instanceof Uint16Array ? 'uint16' : data instanceof Uint32Array ? 'uint32' : 'float32',
    shape,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  return {
    meta: syntheticMeta(options, topK, floor),
    columns: {
      edgeLayer: column(made.layer),
      edgeQuery: column(made.query),
      edgeKey: column(made.key),
      edgeWeight: column(made.weight),
      headOffset: column(made.headOffset),
      headIndex: column(made.headIndex),
      headWeight: column(made.headWeight),
      attentionResidual: column(made.residual, [nLayers, nTokens]),
      attentionBias: column(made.bias, [nLayers, nTokens]),
      ffn: column(made.ffn, [nLayers, nTokens]),
      ffnResidual: column(made.ffnResidual, [nLayers, nTokens]),
      predictionId: column(
        Uint32Array.from({ length: nTokens * topK }, (_, i) => i),
        [nTokens, topK],
      ),
      predictionProbability: column(probability, [nTokens, topK]),
      predictionLogit: column(
        probability.map((p) => 20 + Math.log(p)),
        [nTokens, topK],
      ),
    },
  };
}

function denseRows(options: SyntheticOptions, random: () => number): SparseRows {
  const { nLayers, nTokens, nHeads = 9, parallel = false, floor = 0.005 } = options;
  const nRows = nLayers * nTokens;
  const edges = { layer: [] as number[], query: [] as number[], key: [] as number[], weight: [] as number[] };
  const heads = { offset: [0], index: [] as number[], weight: [] as number[] };
  const rows = {
    residual: new Float32Array(nRows),
    bias: new Float32Array(nRows),
    ffn: new Float32Array(nRows),
    ffnResidual: new Float32Array(nRows),
  };

  for (let layer = 0; layer < nLayers; layer++) {
    for (let query = 0; query < nTokens; query++) {
      const row = layer * nTokens + query;
      const parts = Array.from({ length: (query + 1) * nHeads }, () => random() ** 9 * 0.02);
      // Each head has a few keys it likes: itself, the one before, a name far away.
      for (let head = 0; head < nHeads; head++) {
        for (let liked = 0; liked < 2; liked++) {
          const key = liked === 0 ? Math.max(0, query - 1 - (head % 3)) : Math.floor(random() * (query + 1));
          const part = key * nHeads + head;
          parts[part] = (parts[part] ?? 0) + random() ** 6 * 0.3;
        }
      }
      const residual = 1.5 + random() * 3;
      const bias = random() * 0.2;
      const ffn = parallel ? random() * 2 : 0;
      const sum = parts.reduce((a, b) => a + b, residual + bias + ffn);
      rows.residual[row] = residual / sum;
      rows.bias[row] = bias / sum;
      const share = random() ** 2 * 0.6;
      rows.ffn[row] = parallel ? ffn / sum : share;
      rows.ffnResidual[row] = parallel ? 0 : 1 - share;
      for (let key = 0; key <= query; key++) {
        const own = parts.slice(key * nHeads, (key + 1) * nHeads).map((part) => part / sum);
        const weight = own.reduce((a, b) => a + b, 0);
        if (weight <= floor) continue;
        edges.layer.push(layer);
        edges.query.push(query);
        edges.key.push(key);
        edges.weight.push(weight);
        own.forEach((part, head) => {
          if (part <= floor) return;
          heads.index.push(head);
          heads.weight.push(part);
        });
        heads.offset.push(heads.index.length);
      }
    }
  }
  return {
    layer: Uint16Array.from(edges.layer),
    query: Uint32Array.from(edges.query),
    key: Uint32Array.from(edges.key),
    weight: Float32Array.from(edges.weight),
    headOffset: Uint32Array.from(heads.offset),
    headIndex: Uint16Array.from(heads.index),
    headWeight: Float32Array.from(heads.weight),
    ...rows,
  };
}

function syntheticMeta(options: SyntheticOptions, topK: number, floor: number): AnalysisMeta {
  const { nLayers, nTokens, nHeads = 9, parallel = false, proofHolds = true, task = 'token', nExperts = [] } = options;
  const word = (i: number): string => WORDS[i % WORDS.length] ?? '';
  let end = 0;
  const tokens = Array.from({ length: nTokens }, (_, t) => {
    const special = t === 0;
    const text = special ? '<|start|>' : word(t * 7);
    const start = end;
    end += special ? 0 : text.length;
    return { id: t, text, start, end, special, shared: false, template: false };
  });
  const worst = proofHolds ? 4.1e-7 : 0.31;
  const errors = Array.from({ length: nLayers }, (_, l) => (l === nLayers - 1 ? worst : 1e-7 * (1 + (l % 3))));
  return {
    format: PAYLOAD_FORMAT,
    runId: `synthetic-${nLayers}-${nTokens}`,
    prompt: tokens.map((token) => (token.special ? '' : token.text)).join(''),
    model: {
      source: 'synthetic', name: 'synthetic', architecture: 'none', nParams: 0, nLayers, nHeads, nKvHeads: nHeads, dModel: 64, dFfn: 256,
      nVocab: 1000, nContext: 2048, dtype: 'float32', device: 'cpu', memoryBytes: 0, parallel, nExperts, task, labels: task === 'token' ? [] : LABELS,
    }, // prettier-ignore
    tokens,
    target: nTokens - 1,
    predicted: tokens.map((_, t) =>
      task === 'token' ? Array.from({ length: topK }, (_, k) => word(t * 5 + k * 3 + 1)) : LABELS,
    ),
    floor,
    proof: {
      maxRelativeError: proofHolds ? 4.1e-7 : 0.31, worstLayer: nLayers - 1, tolerance: 1e-4, holds: proofHolds,
      worstPart: parallel ? 'layer' : 'attention', perLayer: errors, whole: errors,
      attention: parallel ? [] : errors, ffn: parallel ? [] : errors.map((_, l) => 1e-7 / (1 + (l % 5))),
    }, // prettier-ignore
    timing: { forwardS: 0.1, contributionsS: 0.1, payloadS: 0.01 },
    notices: [],
    layerKinds: [],
  };
}
