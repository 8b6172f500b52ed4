/** The answer line's facts, from the state: what is asked about, and whether its effects are known well enough. */
import { useMemo } from 'preact/hooks';
import type { LensTrack } from '../../../extension/shared/protocol';
import { predictedAt } from '../analysis/payload';
import type { Analysis } from '../analysis/payload';
import type { KnownEffects } from '../effects/known';
import { useAsked } from '../inspectors/whyNot';
import type { Routes } from '../routes/routes';
import type { Store } from '../store/state';
import { outputFigure, outputText } from '../words/answer';
import { covered } from './byEffect';
import { sentenceOf } from './sentence';
import type { Output, Sentence } from './sentence';

/** While edges are being measured, flow is said until so much of it is. */
const NEARLY_ALL = 0.9;
/** Where nothing is being measured, effects are said if they are known of most of what is drawn. */
const MOST = 0.5;

export interface Answer extends Sentence {
  /** What it is about: another answer is another question. */
  of: string;
  /** No more is to come that could change it. */
  settled: boolean;
}

export function useAnswer(store: Store): Answer | null {
  const { causes } = store;
  const asked = useAsked(store);
  const [analysis, routes] = [store.analysis.value, store.settledRoutes.value];
  const [known, phase] = [causes.known.value, causes.phase.value];
  const [edgesToCome, measures] = [causes.edgesToCome.value, causes.budget.value > 0];
  const position = store.target.value;
  const { targetId, contrastId, named } = asked;
  const isGoing = phase.kind === 'measuring' || phase.kind === 'predicting' || causes.expected.value;
  const hasBlocks = phase.kind !== 'measuring';
  const sentence = useMemo(() => {
    if (!analysis || !routes || !fits(analysis, routes) || position >= analysis.meta.tokens.length) return null;
    const effects = known?.position === position && isEnough(analysis, routes, known) ? known : null;
    const output = (id: number | null, track: LensTrack | null | undefined): Output | null =>
      id === null ? null : outputOf(analysis, position, id, textOf(known, id), track);
    const predicted = predictedAt(analysis, position);
    const target = output(targetId ?? predicted, named?.target) ?? { text: '…', figure: '', probability: null };
    const best = targetId !== null && predicted !== null && targetId !== predicted ? output(predicted, null) : null;
    const contrast = output(contrastId, named?.contrast);
    // the most probable one is not said twice
    const other = best && contrastId === predicted ? null : best;
    return sentenceOf({ analysis, routes, position, target, contrast, best: other, effects, hasBlocks });
  }, [analysis, routes, known, position, targetId, contrastId, named?.target, named?.contrast, edgesToCome, isGoing, hasBlocks, measures]); // prettier-ignore
  if (!sentence || !analysis) return null;
  const of = JSON.stringify([analysis.meta.runId, position, targetId, contrastId]);
  return { ...sentence, of, settled: !isGoing };

  function isEnough(run: Analysis, drawn: Routes, effects: KnownEffects): boolean {
    if (isGoing) return !edgesToCome || covered(run, drawn, effects) >= NEARLY_ALL;
    return (phase.kind === 'done' && measures) || covered(run, drawn, effects) >= MOST;
  }
}

/** Routes settle a moment after the analysis that they are of. */
const fits = ({ meta, columns }: Analysis, { mass }: Routes): boolean =>
  mass.length === columns.ffn.length + meta.tokens.length;

const textOf = (known: KnownEffects | null, id: number): string | undefined =>
  [known?.metric.target, known?.metric.contrast].find((token) => token?.id === id)?.text;

/** An output by its number: among the most probable ones, else as it was tracked, else by its text alone. */
function outputOf(
  analysis: Analysis,
  position: number,
  id: number,
  text: string | undefined,
  track: LensTrack | null | undefined,
): Output {
  const { predictionId, predictionProbability, predictionLogit } = analysis.columns;
  const { tokens, predicted, model } = analysis.meta;
  const each = predictionId.length / tokens.length;
  const found = predictionId.subarray(position * each, (position + 1) * each).indexOf(id);
  if (found >= 0) {
    const at = position * each + found;
    const probability = predictionProbability[at] ?? 0;
    const figure = outputFigure(model, probability, predictionLogit[at] ?? 0);
    return { text: outputText(model, predicted[position]?.[found] ?? text ?? `#${id}`), figure, probability };
  }
  const probability = track?.probability.at(-1) ?? null;
  return {
    text: outputText(model, text ?? track?.text ?? `#${id}`),
    figure: probability === null ? '' : outputFigure(model, probability, track?.logit.at(-1) ?? 0),
    probability,
  };
}
