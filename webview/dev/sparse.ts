/** SYNTHETIC rows of a long prompt: only what exceeds the floor is ever made. Not part of the product. */
import { randomNumbers } from './numbers';

/** The output of a model with L layers over T tokens: edges in order, and the parts of each row that stay at its token. */
export interface SparseRows {
  layer: Uint16Array;
  query: Uint32Array;
  key: Uint32Array;
  weight: Float32Array;
  headOffset: Uint32Array;
  headIndex: Uint16Array;
  headWeight: Float32Array;
  residual: Float32Array;
  bias: Float32Array;
  ffn: Float32Array;
  ffnResidual: Float32Array;
}

/** `density` edges in a row of enough tokens: half of them near, the others anywhere before. */
export function sparseRows(
  nLayers: number,
  nTokens: number,
  nHeads: number,
  density: number,
  floor: number,
): SparseRows {
  const random = randomNumbers(11);
  const nRows = nLayers * nTokens;
  const most = nRows * density;
  const edges = { layer: new Uint16Array(most), query: new Uint32Array(most), key: new Uint32Array(most) };
  const weight = new Float32Array(most);
  const headOffset = new Uint32Array(most + 1);
  const headIndex = new Uint16Array(2 * most);
  const headWeight = new Float32Array(2 * most);
  const rows = { residual: new Float32Array(nRows), bias: new Float32Array(nRows), ffn: new Float32Array(nRows) };
  const ffnResidual = new Float32Array(nRows);
  let n = 0;
  let nParts = 0;
  const keys = new Set<number>();
  for (let row = 0; row < nRows; row++) {
    const query = row % nTokens;
    keys.clear();
    const wanted = Math.min(density, query + 1);
    while (keys.size < wanted) {
      const near = random() < 0.5 ? Math.floor(random() ** 3 * 100) : Math.floor(random() * (query + 1));
      keys.add(Math.max(0, query - near));
      if (keys.size < wanted && query < density) keys.add(keys.size);
    }
    let left = 1;
    for (const key of [...keys].filter((key) => key <= query).sort((a, b) => a - b)) {
      // Most are hardly over the floor, a few are strong.
      const own = floor * 1.01 + 0.0035 * -Math.log(1 - random()) + (random() < 0.02 ? random() * 0.05 : 0);
      edges.layer[n] = Math.floor(row / nTokens);
      edges.query[n] = query;
      edges.key[n] = key;
      weight[n] = own;
      left -= own;
      for (const part of [0.8 * own, 0.2 * own]) {
        if (part <= floor) continue;
        headIndex[nParts] = (nParts * 5) % nHeads;
        headWeight[nParts++] = part;
      }
      headOffset[++n] = nParts;
    }
    rows.bias[row] = 0.05 * left;
    rows.residual[row] = 0.95 * left;
    rows.ffn[row] = random() ** 2 * 0.6;
    ffnResidual[row] = 1 - (rows.ffn[row] ?? 0);
  }
  return {
    layer: edges.layer.slice(0, n),
    query: edges.query.slice(0, n),
    key: edges.key.slice(0, n),
    weight: weight.slice(0, n),
    headOffset: headOffset.slice(0, n + 1),
    headIndex: headIndex.slice(0, nParts),
    headWeight: headWeight.slice(0, nParts),
    ...rows,
    ffnResidual,
  };
}
