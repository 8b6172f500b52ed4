/** The logit lens of a model that cannot be decomposed: the tokens that each layer would predict, by position. */
import { useSignal } from '@preact/signals';
import type { PlainLensResult } from '../../../extension/shared/protocol';
import { attempt, numbersOf } from '../analysis/arrays';
import { percent, visibleText } from '../words/words';
import { cellOpacity, probabilityStrength } from './scale';

interface Grid {
  nRows: number;
  nTokens: number;
  k: number;
  text(row: number, token: number, rank: number): string;
  probability(row: number, token: number, rank: number): number;
}

function readGrid({ tokens, texts, top, topProbability }: PlainLensResult): Grid {
  const [nRows = 0, nTokens = 0, k = 0] = top.shape;
  const shape = [nRows, tokens.length, k];
  const [ids, shares] = [numbersOf(top, 'uint32', shape), numbersOf(topProbability, 'float32', shape)];
  const at = (row: number, token: number, rank: number): number => (row * nTokens + token) * k + rank;
  return {
    ...{ nRows, nTokens, k },
    text: (...cell) => visibleText(texts[ids[at(...cell)] ?? -1] ?? ''),
    probability: (...cell) => shares[at(...cell)] ?? 0,
  };
}

/** Row 0 reads the embedding. */
const rowName = (row: number): string => (row === 0 ? 'embedding' : `layer ${row - 1}`);

export function RefusedLens({ lens }: { lens: PlainLensResult }) {
  const { value: grid, problem } = attempt(() => readGrid(lens));
  const pointed = useSignal<[row: number, token: number] | null>(null);
  if (grid === null) return <p class="dim">{problem}</p>;
  const rows = Array.from({ length: grid.nRows }, (_, index) => grid.nRows - 1 - index);
  const [row, token] = pointed.value ?? [grid.nRows - 1, grid.nTokens - 1];
  const ranks = Array.from({ length: grid.k }, (_, rank) => rank);
  return (
    <section class="refused-lens" data-testid="refused-lens" aria-label="Logit lens">
      <h3>Logit lens</h3>
      <p class="readout" data-testid="refused-readout">
        <span class="token">{visibleText(lens.tokens[token] ?? '')}</span> {rowName(row)}:{' '}
        {ranks.map((rank) => (
          <span key={rank} class="guess">
            <span class="token">{grid.text(row, token, rank)}</span> {percent(grid.probability(row, token, rank))}
          </span>
        ))}
      </p>
      <div class="scroller" tabIndex={0} role="group" aria-label="Layers by tokens">
        <table onMouseLeave={() => (pointed.value = null)}>
          <tbody>
            {rows.map((r) => (
              <tr key={r}>
                <th scope="row">{r === 0 ? 'emb' : r - 1}</th>
                {lens.tokens.map((_, t) => (
                  <td
                    key={t}
                    class={`token${r === row && t === token ? ' pointed' : ''}`}
                    style={{ '--strength': cellOpacity(probabilityStrength(grid.probability(r, t, 0)), false) }}
                    onMouseEnter={() => (pointed.value = [r, t])}
                  >
                    {grid.text(r, t, 0)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">prompt</th>
              {lens.tokens.map((text, t) => (
                <th key={t} scope="col" class="token">
                  {visibleText(text)}
                </th>
              ))}
            </tr>
          </tfoot>
        </table>
      </div>
      <p class="dim">
        Each cell is the token that the state of {lens.model} after a layer would predict, read by its own final norm
        and unembedding. Routes, heads and effects need its parts, which cannot be told apart.
        {lens.first > 0 && ` The last ${lens.tokens.length} tokens of the prompt are shown.`}
      </p>
    </section>
  );
}
