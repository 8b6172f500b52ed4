/** Nothing selected: the token whose routes are drawn, and what the model says comes next. */
import { labelAt } from '../describe';
import type { Store } from '../state';
import { percent, visibleText } from '../words';
import { Kind } from './inspector';
import { Section, TextBars } from './parts';
import type { TextBar } from './parts';

export function TargetInspector({ store }: { store: Store }) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const position = store.target.value;
  const { predictionProbability, predictionLogit } = analysis.columns;
  const nPredictions = predictionProbability.length / analysis.meta.tokens.length;
  const first = position * nPredictions;
  const rows: TextBar[] = (analysis.meta.predicted[position] ?? []).map((text, k) => ({
    key: String(k),
    text: visibleText(text),
    fraction: predictionProbability[first + k] ?? 0,
    number: percent(predictionProbability[first + k] ?? 0),
    title: `'${text}' ${percent(predictionProbability[first + k] ?? 0)}, logit ${(predictionLogit[first + k] ?? 0).toFixed(2)}`,
  }));
  return (
    <>
      <Kind store={store}>target</Kind>
      <h2 class="what">
        <bdi class="token">{labelAt(analysis, position)}</bdi>
        <span class="arrow"> → </span>
        <bdi class="token warm">{rows[0]?.text ?? ''}</bdi>
        <span class="where">position {position}</span>
      </h2>
      <Section title="Predictions">
        <TextBars rows={rows} tone="plain" testId="predictions" />
      </Section>
    </>
  );
}
