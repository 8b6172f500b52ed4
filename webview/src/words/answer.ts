/** The model's answers in words: the next token, or the labels of a classifier. */
import type { ModelInfo } from '../../../extension/shared/protocol';
import type { Analysis } from '../analysis/payload';
import { percent, valueText, visibleText } from './words';

/** Names for the outputs that a state is read as. */
interface Names {
  one: string;
  /** Heading of the list of predictions. */
  predictions: string;
  /** Heading of a state's list. */
  top: string;
  promotes: string;
  suppresses: string;
  /** Column of a table. */
  column: string;
}

const TOKENS: Names = {
  one: 'token',
  predictions: 'Predictions',
  top: 'Top tokens',
  promotes: 'Promotes',
  suppresses: 'Suppresses',
  column: 'token',
};

const LABELS: Names = {
  one: 'label',
  predictions: 'Labels',
  top: 'Labels',
  promotes: 'Promotes labels',
  suppresses: 'Suppresses labels',
  column: 'label',
};

const VALUES: Names = { ...LABELS, predictions: 'Value', top: 'Value' };

const NAMES: Record<ModelInfo['task'], Names> = { token: TOKENS, label: LABELS, labels: LABELS, value: VALUES };

export const namesOf = (model: ModelInfo | undefined): Names => NAMES[model?.task ?? 'token'];

export const classifies = (model: ModelInfo | undefined): boolean => model !== undefined && model.task !== 'token';

/** An output's text: a token with visible spaces, a label as it is called. */
export const outputText = (model: ModelInfo | undefined, text: string): string =>
  classifies(model) ? text : visibleText(text);

/** The probability of an output; where there is none, its value. */
export const outputFigure = (model: ModelInfo | undefined, probability: number, logit: number): string =>
  model?.task === 'value' ? valueText(logit) : percent(probability);

/** Placeholder for a position that is not read yet. */
const UNREAD = '…';

/** The best output at a position, and its figure. */
export function answerAt(analysis: Analysis, position: number): { text: string; figure: string; probability: number } {
  const { model, tokens, predicted } = analysis.meta;
  const { predictionProbability, predictionLogit } = analysis.columns;
  const first = (position * predictionProbability.length) / tokens.length;
  const probability = predictionProbability[first] ?? 0;
  return {
    text: outputText(model, predicted[position]?.[0] ?? UNREAD),
    figure: predicted[position]?.length ? outputFigure(model, probability, predictionLogit[first] ?? 0) : '',
    probability,
  };
}

/** How a prediction relates to its column: "after ·store", "label POSITIVE read at ·store". */
export function answerInWords(analysis: Analysis, position: number, label: string): string {
  const { text, figure } = answerAt(analysis, position);
  const { model, target } = analysis.meta;
  if (!classifies(model)) return `after ${label}: ${text} ${figure}`;
  const what = model.task === 'value' ? 'value' : 'label';
  return `${what} ${text} ${figure}, ${position === target ? 'read at' : 'if the text ended at'} ${label}`;
}
