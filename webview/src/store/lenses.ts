/** Which lens reads states and what is written into them, and which lenses there are for the run's model. */
import { batch, computed, effect, signal } from '@preact/signals';
import type { ReadonlySignal, Signal } from '@preact/signals';
import type { LensChoice, LensesResult } from '../../../extension/shared/protocol';
import type { Fitting, ViewName } from '../../../extension/shared/webview';
import type { Asker } from './ask';

export const LOGIT = 'logit';

interface World {
  asker: Asker;
  normalized: ReadonlySignal<boolean>;
  view: ReadonlySignal<ViewName>;
  offline: ReadonlySignal<string | null>;
  /** Counts what a fit has changed. */
  fitted: Signal<number>;
  /** The page is a recording: nothing can be asked. */
  recording: boolean;
}

export interface Lenses {
  /** What was chosen, by the backend's name. */
  chosen: Signal<string>;
  /** Those that there are; null while that is not known. */
  known: ReadonlySignal<LensesResult | null>;
  /** The one that reads: the chosen one, where this model has it. */
  name: ReadonlySignal<string>;
  /** One of this model that is being fitted. */
  fitting: ReadonlySignal<Fitting | null>;
  tell(fitting: Fitting | null): void;
  /** How every question that reads vectors is asked. */
  reading: ReadonlySignal<Required<LensChoice>>;
  live(): () => void;
}

const METHOD = 'lmTransparency/lenses';

export function createLenses({ asker, normalized, view, offline, recording, fitted }: World): Lenses {
  const chosen = signal(LOGIT);
  // of one's own accord only where it matters
  const isWanted = computed(() => !recording && (view.value === 'lens' || chosen.value !== LOGIT));
  let last: LensesResult | null = null;
  const known = computed(() => {
    const reply = isWanted.value ? asker.entry(METHOD, {})?.reply.value : null;
    if (reply?.state === 'known') last = reply.result;
    return last;
  });
  const name = computed(() => (known.value?.names.includes(chosen.value) === false ? LOGIT : chosen.value));
  const reading = computed(() => ({ normalize: normalized.value, lens: name.value }));

  function live(): () => void {
    return effect(() => {
      if (isWanted.value && offline.value === null) return asker.entry(METHOD, {})?.watch();
      return undefined;
    });
  }

  const fitting = signal<Fitting | null>(null);
  let told = 0;
  function tell(now: Fitting | null): void {
    // what a sequence changes falls with their number, and each time all that is shown is asked for again
    const isNews = now ? now.sequences >= Math.max(1, 2 * told) : fitting.peek() !== null;
    told = now ? (isNews ? now.sequences : told) : 0;
    batch(() => {
      fitting.value = now;
      if (isNews) fitted.value = fitted.peek() + 1;
    });
  }

  return { fitting, tell, chosen, known, name, reading, live };
}
