/** Without a selection: the target token and the model's predictions after it. */
import { classifies, namesOf, outputFigure, outputText } from '../words/answer';
import { labelAt, tokenClass } from '../words/describe';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { percent } from '../words/words';
import { Contrast } from './contrast';
import { Kind } from './kind';
import { following } from './lens';
import { Section, TextBars } from './parts';
import type { TextBar } from './parts';

export function TargetInspector({ store }: { store: Store }) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const position = store.target.value;
  const { predictionId, predictionProbability, predictionLogit } = analysis.columns;
  const nPredictions = predictionProbability.length / analysis.meta.tokens.length;
  const first = position * nPredictions;
  const { model, target } = analysis.meta;
  const names = namesOf(model);
  const texts = analysis.meta.predicted[position] ?? [];
  const figureOf = (k: number): string =>
    model.task === 'value' ? '' : `${percent(predictionProbability[first + k] ?? 0)}, `;
  const rows: TextBar[] = texts.map((text, k) => ({
    key: String(k),
    text: outputText(model, text),
    fraction: predictionProbability[first + k] ?? 0,
    number: outputFigure(model, predictionProbability[first + k] ?? 0, predictionLogit[first + k] ?? 0),
    title: `'${text}' ${figureOf(k)}logit ${(predictionLogit[first + k] ?? 0).toFixed(2)}. Click to follow it in the Lens view`,
    ...following(store, { id: predictionId[first + k] ?? 0, text }),
  }));
  const table: Table = {
    name: 'predictions',
    of: `position-${position}`,
    columns: ['rank', 'id', names.column, 'logit', 'probability'],
    rows: () =>
      texts.map((text, k) => [
        k,
        predictionId[first + k] ?? 0,
        text,
        predictionLogit[first + k] ?? 0,
        predictionProbability[first + k] ?? 0,
      ]),
  };
  return (
    <>
      <Kind store={store}>target</Kind>
      <h2 class="what">
        <bdi class={tokenClass(analysis, position)}>{labelAt(analysis, position)}</bdi>
        <span class="arrow"> → </span>
        <bdi class="token warm">{rows[0]?.text ?? '…'}</bdi>
        <span class="where">position {position}</span>
      </h2>
      {classifies(model) && (
        <p class="figures" data-testid="read-at">
          {position === target
            ? 'The classifier reads its answer from the state at this position.'
            : 'What the classifier would answer if the text ended here.'}
        </p>
      )}
      <Section title={names.predictions} store={store} help="predictions" table={table}>
        <TextBars rows={rows} tone="plain" testId="predictions" />
      </Section>
      <Contrast store={store} />
      <p class="hint" data-testid="hint">
        Click a node or an edge to open it, or walk there with the arrows and press Enter. Double-click a column to make
        it the target. <kbd>/</kbd> finds a token.
      </p>
    </>
  );
}
