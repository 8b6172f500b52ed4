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
  /** A word that was looked for: it is followed in place of the prediction. */
  const lookedFor = signal<(Followed & { model: string }) | null>(null);
  const modelName = (): string => store.analysis.value?.meta.model.name ?? '';
  const looked = computed(() => (lookedFor.value?.model === modelName() ? lookedFor.value : null));
  const look = (word: Followed | null): void => void (lookedFor.value = word && { ...word, model: modelName() });
  /** Whether a second lens is shown beside. */
  const beside = signal(false);

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
    if (looked.value) return looked.value;
    return wantsRival.value && rival ? rival : predicted.value;
  });

  /** Follows the rival, or the prediction. */
  function follow(theRival: boolean): void {
    look(null);
    wantsRival.value = theRival;
  }

  return { colour, follow, look, wantsRival, looked, beside, predictions, predicted, followed };
}
