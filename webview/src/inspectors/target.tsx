/** Without a selection: the target token, the model's predictions after it, and which of them effects are about. */
import type { LensTrack } from '../../../extension/shared/protocol';
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
import { AnyOther, Versus, useAsked } from './whyNot';
import type { Asked } from './whyNot';

export function TargetInspector({ store }: { store: Store }) {
  const analysis = store.analysis.value;
  const asked = useAsked(store);
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
  const hasRivals = model.task !== 'value';
  const rows: TextBar[] = texts.map((text, k) => {
    const token = { id: predictionId[first + k] ?? 0, text };
    return {
      key: String(k),
      text: outputText(model, text),
      fraction: predictionProbability[first + k] ?? 0,
      number: outputFigure(model, predictionProbability[first + k] ?? 0, predictionLogit[first + k] ?? 0),
      title: `'${text}' ${figureOf(k)}logit ${(predictionLogit[first + k] ?? 0).toFixed(2)}. Click to follow it in the Lens view`,
      ...following(store, token),
      ...(hasRivals && { beside: <Versus store={store} token={token} asked={asked} /> }),
    };
  });
  const listed = new Set(predictionId.subarray(first, first + texts.length));
  const others = [asked.named?.target, asked.named?.contrast].filter((track) => track && !listed.has(track.token));
  for (const track of others) if (track && hasRivals) rows.push(namedRow(store, track, asked));
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
      <Section
        title={names.predictions}
        store={store}
        help="predictions"
        table={table}
        {...(hasRivals && { aside: <span class="plain-note">why not …?</span> })}
      >
        <TextBars rows={rows} tone="plain" testId="predictions" />
        {hasRivals && !store.recording && <AnyOther key={position} store={store} asked={asked} />}
      </Section>
      <Contrast store={store} />
      <p class="hint" data-testid="hint">
        Click a node or an edge to open it, or walk there with the arrows and press Enter. Double-click a column to make
        it the target. <kbd>/</kbd> finds a token.
      </p>
    </>
  );
}

/** The target or contrast where the model's most probable outputs do not have it. */
function namedRow(store: Store, track: LensTrack, asked: Asked): TextBar {
  const model = store.analysis.value?.meta.model;
  const [probability, logit] = [track.probability.at(-1) ?? 0, track.logit.at(-1) ?? 0];
  const token = { id: track.token, text: track.text };
  return {
    key: `named-${track.token}`,
    text: outputText(model, track.text),
    fraction: probability,
    number: outputFigure(model, probability, logit),
    title: `'${track.text}' rank ${(track.rank.at(-1) ?? 0) + 1}, logit ${logit.toFixed(2)}. Click to follow it in the Lens view`,
    ...following(store, token),
    beside: <Versus store={store} token={token} asked={asked} />,
  };
}
