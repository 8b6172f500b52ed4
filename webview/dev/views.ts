/** SYNTHETIC answers for the views: a lens that settles on the last layers, and exports. */
import type { LensTrack, NumericArray } from '../../extension/shared/protocol';
import { randomNumbers, sizes } from './numbers';
import type { Answers } from './numbers';

const TEXTS = [' Mary', ' her', ' the', ' John', '\n', ' Maria', 'ing', ' it', ' Marian', ' a', ' them', 'tion', ','];
const VOCABULARY = 49_152;

export function packedNumbers(values: Float32Array | Uint32Array, shape: number[]): NumericArray {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return { dtype: values instanceof Float32Array ? 'float32' : 'uint32', shape, data: btoa(text) };
}

/** The followed token's probability after a share of the layers: nothing for long, then sure. */
const settled = (along: number, late: number, most: number): number => most / (1 + Math.exp(-14 * (along - late)));

function track(token: number, text: string, late: number, most: number): LensTrack {
  const rows = Array.from({ length: sizes.nLayers + 1 }, (_, row) => row / sizes.nLayers);
  const probability = rows.map((along) => settled(along, late, most));
  return {
    token,
    text,
    probability,
    logit: probability.map((p) => 18 + Math.log(p + 1e-9)),
    rank: probability.map((p) => Math.max(0, Math.min(VOCABULARY, Math.round(0.4 / p) - 1))),
  };
}

export const VIEWS: Answers = {
  'lmTransparency/lensGrid': ({ token = null, firstRow = 0, rowCount = null, lens = 'logit' }) => {
    const [nRows, nTokens] = [sizes.nLayers + 1, sizes.nTokens];
    const random = randomNumbers(5);
    const lastRow = rowCount === null ? nRows : firstRow + rowCount;
    const shape = [lastRow - firstRow, nTokens];
    const stretch = <T extends Uint32Array | Float32Array>(cells: T) =>
      packedNumbers(cells.slice(firstRow * nTokens, lastRow * nTokens) as T, shape);
    const top = new Uint32Array(nRows * nTokens);
    const [topProbability, probability] = [new Float32Array(top.length), new Float32Array(top.length)];
    const rank = new Uint32Array(top.length);
    for (let t = 0; t < nTokens; t++) {
      const late = 0.5 + 0.45 * random();
      const last = t === nTokens - 1 ? 0 : Math.floor(random() * TEXTS.length);
      for (let row = 0; row < nRows; row++) {
        const cell = row * nTokens + t;
        const sure = settled(row / sizes.nLayers, late, 0.3 + 0.6 * random());
        top[cell] = sure > 0.2 || random() < 0.3 ? last : Math.floor(random() * TEXTS.length);
        topProbability[cell] = Math.max(sure, 0.02 + 0.1 * random());
        const own = t === nTokens - 1 ? 1 : random() ** 3;
        probability[cell] = sure * own * 0.95;
        rank[cell] = Math.min(VOCABULARY, Math.floor(0.3 / (probability[cell] ?? 1)));
      }
    }
    return {
      firstRow,
      texts: { ...TEXTS },
      top: stretch(top),
      topProbability: stretch(topProbability),
      topLogit: stretch(topProbability.map((p) => 18 + Math.log(p))),
      token,
      tokenProbability: token === null ? null : stretch(probability),
      tokenRank: token === null ? null : stretch(rank),
      lens,
      notes: [],
    };
  },

  'lmTransparency/lenses': () => ({ names: ['logit', 'jacobian'], sequences: 8 }),

  'lmTransparency/lensTrack': ({ position, tokens, lens = 'logit' }) => ({
    position,
    tracks: tokens.map((token, i) =>
      track(token, TEXTS[i === 0 ? 0 : 3] ?? '', i === 0 ? 0.72 : 0.6, i === 0 ? 0.84 : 0.12),
    ),
    notes: [],
    lens,
  }),

  'lmTransparency/export': ({ format, target, threshold }) => ({
    text:
      format === 'svg'
        ? `<svg xmlns="http://www.w3.org/2000/svg" width="85.00mm" height="56.70mm" viewBox="0 0 120 80"><rect width="120" height="80" fill="#888"/></svg>`
        : format === 'csv'
          ? `kind,source,target,weight\n`
          : JSON.stringify({ target, threshold }),
    encoding: 'utf8',
  }),
};
