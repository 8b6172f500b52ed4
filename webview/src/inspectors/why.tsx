/** Why this edge: the score of one query and key, its rank in the row, and what the two represent. */
import type { HeadResult, ModelInfo, TokenScore } from '../../../extension/shared/protocol';
import { namesOf, outputText } from '../words/answer';
import { labelAt, tokenClass } from '../words/describe';
import { attentionEdgeName, withDetail } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { lensWords } from '../words/lenses';
import { share, signed } from '../words/words';
import { RowEntropy } from './entropy';
import { BarList, Section } from './parts';
import type { BarRow } from './parts';

/** Lens tokens that describe a residual state. */
const READS = 5;

/** 1 → "1st", 12 → "12th", 23 → "23rd" */
export function ordinal(place: number): string {
  const tens = place % 100;
  const ending = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][place % 10] ?? 'th');
  return `${place}${ending}`;
}

/** "2nd of 14 keys"; the query may look at itself and what comes before. */
export const rankInRow = (result: HeadResult): string => {
  const nKeys = result.query + 1;
  return nKeys === 1 ? 'the only key' : `${ordinal(result.rank + 1)} of ${nKeys} keys`;
};

/** A key that a sliding window hides has no finite score. */
const scoreText = (score: number | null): string => (score === null ? '−∞' : signed(score));

export function Why({ store, analysis, result }: { store: Store; analysis: Analysis; result: HeadResult }) {
  const { layer, head, query, key } = result;
  const rows = result.keys.map((part): BarRow => {
    const label = labelAt(analysis, part.position);
    const edge = attentionEdgeName(layer, query, part.position, analysis.meta.model.parallel);
    return {
      key: `k${part.position}`,
      label: (
        <>
          <bdi class={tokenClass(analysis, part.position)}>{label}</bdi> <span class="at">{part.position}</span>
        </>
      ),
      value: part.contribution,
      number: share(part.contribution),
      note: <span class="figure">{share(part.probability)}</span>,
      title: `key ${label} at ${part.position}: contribution ${share(part.contribution)}, attention probability ${share(part.probability)}, score ${scoreText(part.score)}`,
      name: withDetail(edge, head),
      selected: part.position === key.position,
    };
  });
  const read = { model: analysis.meta.model, lens: result.lens };
  const table: Table = {
    name: 'keys',
    of: withDetail(attentionEdgeName(layer, query, key.position, analysis.meta.model.parallel), head),
    columns: ['key', 'token', 'score', 'attention probability', 'contribution'],
    rows: () =>
      result.keys.map((part) => {
        const text = analysis.meta.tokens[part.position]?.text ?? '';
        return [part.position, text, part.score ?? '−∞', part.probability, part.contribution];
      }),
  };
  return (
    <Section title="Why this edge?" store={store} help="why-this-edge" table={table}>
      <div data-testid="why" data-head={head} data-query={query} data-key={key.position}>
        <p class="figures">
          attention{' '}
          <b data-testid="why-probability" title="Softmax of the scores of this row: all its keys sum to 1">
            {share(key.probability)}
          </b>
          , <b data-testid="why-rank">{rankInRow(result)}</b>, score{' '}
          <b data-testid="why-score" title="query · key, scaled, with the mask's bias: what softmax sees">
            {scoreText(key.score)}
          </b>
          <RowEntropy store={store} layer={layer} head={head} query={query} />
        </p>
        <dl class="reads">
          <Reads {...read} end="query" label={labelAt(analysis, query)} scores={result.queryReads} />
          <Reads {...read} end="key" label={labelAt(analysis, key.position)} scores={result.keyReads} />
        </dl>
        <div class="row-names" aria-hidden="true">
          <span>keys of this row</span>
          <span>contribution</span>
          <span>attention</span>
        </div>
        <BarList store={store} rows={rows} testId="why-keys" />
      </div>
    </Section>
  );
}

/** The lens of the residual state that a query or key is computed from. */
interface ReadsProps {
  model: ModelInfo;
  /** The lens that read it, by the backend's name. */
  lens: string;
  end: 'query' | 'key';
  label: string;
  scores: TokenScore[];
}

function Reads({ model, lens, end, label, scores }: ReadsProps) {
  if (scores.length === 0) return null;
  return (
    <div
      data-testid={`why-${end}`}
      title={`The most probable ${namesOf(model).one}s of the residual state that the ${end} is computed from, by the ${lensWords(lens).label}`}
    >
      <dt>
        {end} <bdi class="token">{label}</bdi> reads as
      </dt>
      <dd>
        {scores.slice(0, READS).map((score) => (
          <bdi key={score.id} class="token">
            {outputText(model, score.text)}
          </bdi>
        ))}
      </dd>
    </div>
  );
}
