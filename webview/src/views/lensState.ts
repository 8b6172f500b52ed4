/** The followed token and the colouring of the lens grid; kept while other views are shown. */
import { computed, signal } from '@preact/signals';
import type { Store } from '../store/state';
import type { LensColour } from './lensCells';

/** A token of the vocabulary. */
export interface Followed {
  id: number;
  text: string;
}

export type LensState = ReturnType<typeof createLensState>;

export function createLensState(store: Store) {
  const colour = signal<LensColour>('probability');
  const wantsRival = signal(false);

  /** The most probable tokens after the target, as the analysis has them. */
  const predictions = computed<Followed[]>(() => {
    const analysis = store.analysis.value;
    if (!analysis) return [];
    const { predictionId } = analysis.columns;
    const each = predictionId.length / analysis.meta.tokens.length;
    const texts = analysis.meta.predicted[store.target.value] ?? [];
    return texts.map((text, k) => ({ id: predictionId[store.target.value * each + k] ?? 0, text }));
  });
  /** The target named in the prompt's file, otherwise the model's prediction. */
  const predicted = computed<Followed | null>(() => store.wanted.value ?? predictions.value[0] ?? null);
  const followed = computed<Followed | null>(() => {
    const rival = store.rival.value;
    return wantsRival.value && rival ? rival : predicted.value;
  });

  return { colour, wantsRival, predictions, predicted, followed };
}
