/** SYNTHETIC heads: contributions are those of the analysis where it lists them, all else is invented. */
import type { HeadTag, KeyShare, NumericArray, TokenScore } from '../../extension/shared/protocol';
import type { Analysis } from '../src/analysis/payload';
import { randomNumbers } from './numbers';
import type { Answers } from './numbers';

let shown: Analysis | null = null;
export const setAnalysis = (analysis: Analysis): void => void (shown = analysis);

export const analysis = (): Analysis => {
  if (!shown) throw new Error('This page shows no analysis.');
  return shown;
};

function packed(values: Float32Array | Uint8Array, shape: number[]): NumericArray {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { dtype: values instanceof Uint8Array ? 'uint8' : 'float32', shape, data: btoa(text) };
}

interface HeadMaps {
  probability: Float32Array;
  contribution: Float32Array;
}

/** Both maps of one head: what the analysis lists, on a faint ground with a sink. */
function mapsOf(layer: number, head: number): HeadMaps {
  const { columns, rowOffset, meta } = analysis();
  const n = meta.tokens.length;
  const random = randomNumbers(layer * 131 + head * 17 + 5);
  const sink = random();
  const contribution = new Float32Array(n * n);
  const probability = new Float32Array(n * n);
  for (let query = 0; query < n; query++) {
    for (let key = 0; key <= query; key++) {
      const faint = random() ** 6;
      contribution[query * n + key] = faint * 0.0009;
      probability[query * n + key] = faint * 0.2 + (key === 0 ? sink : 0);
    }
    const row = layer * n + query;
    for (let e = rowOffset[row] ?? 0; e < (rowOffset[row + 1] ?? 0); e++) {
      for (let i = columns.headOffset[e] ?? 0; i < (columns.headOffset[e + 1] ?? 0); i++) {
        if (columns.headIndex[i] !== head) continue;
        const cell = query * n + (columns.edgeKey[e] ?? 0);
        const value = columns.headWeight[i] ?? 0;
        contribution[cell] = value;
        probability[cell] = (probability[cell] ?? 0) + 12 * value;
      }
    }
    const own = probability.subarray(query * n, query * n + query + 1);
    const sum = own.reduce((a, b) => a + b, 1e-6);
    own.forEach((value, key) => (own[key] = value / sum));
  }
  return { probability, contribution };
}

function together(layer: number): HeadMaps {
  const { nHeads } = analysis().meta.model;
  const maps = Array.from({ length: nHeads }, (_, head) => mapsOf(layer, head));
  const sum = (of: keyof HeadMaps, share: number): Float32Array =>
    maps.reduce(
      (all, map) => all.map((value, i) => value + (map[of][i] ?? 0) * share),
      new Float32Array(maps[0]?.[of].length ?? 0),
    );
  return { probability: sum('probability', 1 / nHeads), contribution: sum('contribution', 1) };
}

const rankOf = (row: Float32Array, key: number): number =>
  row.reduce((above, value) => above + (value > (row[key] ?? 0) ? 1 : 0), 0);

const WORDS = [' Mary', ' her', ' the', ' John', '\n', ' Maria', ' Marie', ' it', ' Marian', ' a', ' to', ' for'];

function tokens(most: number, count: number, first: number): TokenScore[] {
  return Array.from({ length: count }, (_, k) => ({
    id: k,
    text: WORDS[(k * 5 + first) % WORDS.length] ?? '',
    logit: most * (1 - k / (count + 1)),
    probability: 0.5 ** (k + 1),
    rankChange: 0,
  }));
}

const TAGS: HeadTag[] = ['previous', 'first', 'duplicate', 'induction', 'self'];

export const ATTENTION: Answers = {
  'lmTransparency/edgeHeads': ({ layer, query, key }) => {
    const { model, tokens } = analysis().meta;
    const n = tokens.length;
    const maps = Array.from({ length: model.nHeads }, (_, head) => mapsOf(layer, head));
    const rows = maps.map(({ probability }) => probability.subarray(query * n, query * n + query + 1));
    const contribution = maps.map((map) => map.contribution[query * n + key] ?? 0);
    const heads = {
      contribution,
      probability: rows.map((row) => row[key] ?? 0),
      rank: rows.map((row) => rankOf(row, key)),
    };
    return { layer, query, key, weight: contribution.reduce((sum, value) => sum + value, 0), heads };
  },
  'lmTransparency/head': ({ layer, head, query, key = null, topK = 15, keysK = 10, lens = 'logit' }) => {
    const n = analysis().meta.tokens.length;
    const { probability, contribution } = mapsOf(layer, head);
    const row = probability.subarray(query * n, query * n + query + 1);
    const score = (at: number): number => Math.log(row[at] ?? 0) + 6;
    const keyAt = (position: number): KeyShare => ({
      position,
      score: score(position),
      probability: row[position] ?? 0,
      contribution: contribution[query * n + position] ?? 0,
    });
    const keys = Array.from(row, (_, position) => keyAt(position)).sort((a, b) => b.contribution - a.contribution);
    const chosen = key ?? keys[0]?.position ?? 0;
    return {
      layer, head, query, key: keyAt(chosen), rank: rankOf(row, chosen), keys: keys.slice(0, keysK),
      update: { promoted: tokens(9.1, topK, head), suppressed: tokens(-3.2, topK, head + 3) },
      part: { promoted: tokens(7.7, topK, head + 1), suppressed: tokens(-2.1, topK, head + 5) },
      queryReads: tokens(8, 5, query), keyReads: tokens(8, 5, chosen + 2), lens,
    }; // prettier-ignore
  },
  'lmTransparency/headEntropy': ({ layer, query }) => {
    const { model, tokens } = analysis().meta;
    const n = tokens.length;
    const bits = (row: Float32Array): number => row.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);
    const entropy = Array.from({ length: model.nHeads }, (_, head) =>
      bits(mapsOf(layer, head).probability.subarray(query * n, query * n + query + 1)),
    );
    return { layer, query, entropy, most: Math.log2(query + 1) };
  },
  'lmTransparency/attentionMap': ({ layer, head = null }) => {
    const n = analysis().meta.tokens.length;
    const { probability, contribution } = head === null ? together(layer) : mapsOf(layer, head);
    const maps = { probability: packed(probability, [n, n]), contribution: packed(contribution, [n, n]) };
    // a standalone page can afford the whole map
    return { layer, head, side: n, ...maps, probabilityAt: null, contributionAt: null };
  },
  'lmTransparency/layerMaps': ({ layer, side: most = 48 }) => {
    const { model, tokens } = analysis().meta;
    const n = tokens.length;
    const side = Math.min(n, most);
    const maps = Array.from({ length: model.nHeads }, (_, head) => mapsOf(layer, head));
    const largest = Math.max(...maps.map((map) => map.contribution.reduce((a, b) => Math.max(a, b), 0)));
    const levels = (of: keyof HeadMaps, whole: number): NumericArray => {
      const out = new Uint8Array(maps.length * side * side);
      maps.forEach((map, head) =>
        map[of].forEach((value, cell) => {
          const row = Math.floor((Math.floor(cell / n) * side) / n);
          const at = (head * side + row) * side + Math.floor(((cell % n) * side) / n);
          out[at] = Math.max(out[at] ?? 0, Math.round(255 * Math.sqrt(value / whole)));
        }),
      );
      return packed(out, [maps.length, side, side]);
    };
    return {
      layer, side, largest, probability: levels('probability', 1), contribution: levels('contribution', largest),
      total: maps.map((map) => map.contribution.reduce((a, b) => a + b, 0) / n),
    }; // prettier-ignore
  },
  'lmTransparency/headTags': () => {
    const { nLayers, nHeads } = analysis().meta.model;
    const random = randomNumbers(3);
    const scores = Float32Array.from({ length: nLayers * nHeads * TAGS.length }, () => random() ** 4);
    return { tags: TAGS, nTokens: 128, scores: packed(scores, [nLayers, nHeads, TAGS.length]) };
  },
};
