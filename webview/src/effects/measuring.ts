/** Effects behind the drawing: predicted once the graph is there, then measured a few at a time, strongest first. */
import { computed, effect, signal, untracked } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import type { EffectsResult, MeasureEffectsParams, UnitEffect } from '../../../extension/shared/protocol';
import type { Answer, Method, Question } from '../../../extension/shared/webview';
import type { Host } from '../hosts/host';
import { fromPrediction, fromResult, isReached, pairs, withUnits } from './known';
import type { KnownEffects } from './known';
import { toMeasure } from './plan';
import type { DrawnEdge } from './plan';
import { placeOfUnit } from './units';

/** A metric on the shown run. */
export interface About {
  runId: string;
  position: number;
  /** Tokens, as `#ID`; null: the predicted token, and no contrast. */
  target: string | null;
  contrast: string | null;
}

/** What is to be known, and how patiently to ask. */
export interface Wish {
  about: About;
  /** There is a backend to ask; if not, what is known stays. */
  able: boolean;
  /** Milliseconds before the prediction, and before the first measurement: more while someone types. */
  predictAfter: number;
  measureAfter: number;
  /** Someone has just asked for this metric, so its prediction does not go behind other questions. */
  asked: boolean;
}

export type EffectsPhase =
  | { kind: 'idle' }
  | { kind: 'predicting' }
  | { kind: 'measuring'; done: number; total: number }
  | { kind: 'done' }
  | { kind: 'failed'; message: string };

interface Inputs {
  /** Null: nothing to ask for. */
  wish: ReadonlySignal<Wish | null>;
  /** The drawn attention edges, when the slider rests. */
  drawn: ReadonlySignal<Drawing>;
  /** Drawn edges that are measured; 0: nothing is measured. */
  most: ReadonlySignal<number>;
  /** Effects are the ink, which colours all that is predicted. */
  inked: ReadonlySignal<boolean>;
}

export interface Drawing {
  edges: readonly DrawnEdge[];
  threshold: number;
  renormalize: boolean;
}

/** What may still be spent on a metric: time for slow units, and a question for shares. */
interface Spare {
  slowMs: number;
  shares: boolean;
}

/** Units of one question: enough for one batch, few enough for a steady progress and for a click in between. */
const atOnce = (position: number): number => Math.min(20, Math.max(2, Math.floor(2000 / (position + 1))));
/** Edges whose predictions are compared with measurements. */
const AGREEING = 20;
/** Metrics whose effects stay known. */
const MOST_KEPT = 8;
/** Up to this position shares come with the prediction; after it they wait until tokens are measured. */
const SHARES_AT_ONCE = 128;
/** Milliseconds for the units whose measurement takes a whole run: blocks and tokens. */
const SLOW_UNITS_MS = 10_000;

export type Measuring = ReturnType<typeof createMeasuring>;

export function createMeasuring(
  host: Pick<Host, 'ask'>,
  { wish, drawn, most, inked }: Inputs,
  now = () => performance.now(),
) {
  /** By `keyOf`, the latest last. */
  const kept = signal<ReadonlyMap<string, KnownEffects>>(new Map());
  const known = computed(() => (wish.value && kept.value.get(keyOf(wish.value.about))) ?? null);
  const phase = signal<EffectsPhase>({ kind: 'idle' });
  /** Metrics of which only what was kept is here, and not every prediction: whether all was measured then. */
  const restored = new Map<string, boolean>();
  const faithfulness = computed(() => {
    const effects = known.value;
    return effects?.faithfulnessOf === drawingKey(drawn.value) ? effects.faithfulness : null;
  });

  /** Gives the question up when stopped, and leaves nothing behind once it is answered. */
  async function ask<M extends Method>(question: Question<M>, stopped: AbortSignal): Promise<Answer<M>> {
    const own = new AbortController();
    const onStop = (): void => own.abort();
    stopped.addEventListener('abort', onStop);
    if (stopped.aborted) own.abort();
    try {
      return await host.ask(question, { signal: own.signal });
    } finally {
      stopped.removeEventListener('abort', onStop);
    }
  }

  /** Takes over what was found of a run before, so that it is not computed again. */
  function restore(about: About, result: EffectsResult): void {
    restored.set(keyOf(about), result.complete);
    remember(keyOf(about), { ...fromResult(result), faithfulnessOf: drawingKey(drawn.peek()) });
  }

  function remember(key: string, effects: KnownEffects): void {
    const next = new Map(kept.peek());
    next.delete(key);
    next.set(key, effects);
    for (const oldest of next.keys()) {
      if (next.size <= MOST_KEPT) break;
      next.delete(oldest);
    }
    kept.value = next;
  }

  /** Adds what a question of the person's own has measured. */
  function add(about: About, found: readonly UnitEffect[]): void {
    const before = kept.peek().get(keyOf(about));
    if (before) remember(keyOf(about), withUnits(before, found));
  }

  /** Predicts, measures and compares, and again when the drawing changes or after a failure, until it is stopped. */
  async function follow({ about, ...wanted }: Wish, stopped: AbortSignal): Promise<void> {
    const key = keyOf(about);
    const spare = { slowMs: restored.get(key) === true ? 0 : SLOW_UNITS_MS, shares: true };
    for (let waitMs = wanted.measureAfter; !stopped.aborted; waitMs = 0) {
      try {
        if (mustPredict(key)) await predictFirst(about, wanted, stopped);
        await pause(most.peek() > 0 ? waitMs : 0, stopped);
        await measure(about, spare, stopped);
        if (!stopped.aborted) phase.value = { kind: 'done' };
      } catch (error) {
        if (!stopped.aborted)
          phase.value = { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
      }
      await change(stopped, drawn, most, inked);
    }
  }

  /** Nothing is known, or the ink wants to colour all that was predicted and some of it was not kept. */
  function mustPredict(key: string): boolean {
    return !kept.peek().has(key) || (restored.has(key) && inked.peek() && most.peek() > 0);
  }

  async function predictFirst(about: About, { predictAfter, asked }: Omit<Wish, 'about'>, stopped: AbortSignal) {
    await pause(predictAfter, stopped);
    if (stopped.aborted) return;
    phase.value = { kind: 'predicting' };
    await predict(about, { behind: !asked, shares: about.position < SHARES_AT_ONCE }, stopped);
  }

  /** What was measured before stays. */
  async function predict(about: About, how: { behind: boolean; shares: boolean }, stopped: AbortSignal): Promise<void> {
    const params = { ...about, ...how };
    const reply = await ask({ method: 'lmTransparency/predictEffects', params }, stopped);
    if (stopped.aborted) return;
    const [key, predicted] = [keyOf(about), fromPrediction(reply)];
    const before = kept.peek().get(key);
    const found = [...(before?.units.values() ?? [])].filter(isReached);
    const compared = before && { faithfulness: before.faithfulness, faithfulnessOf: before.faithfulnessOf };
    restored.delete(key);
    remember(key, { ...withUnits(predicted, found), ...compared });
  }

  /** Measures until nothing is left, also of what changes meanwhile, and compares. */
  async function measure(about: About, spare: Spare, stopped: AbortSignal): Promise<void> {
    for (let done = 0; !stopped.aborted;) {
      const effects = kept.peek().get(keyOf(about));
      if (!effects || most.peek() === 0) return;
      const left = unitsLeft(effects, spare.slowMs);
      if (left.length > 0) phase.value = { kind: 'measuring', done, total: done + left.length };
      if (spare.shares && isToken(left[0] ?? 'X0_') && effects.tokens && !effects.shares) {
        spare.shares = false;
        // the tokens to measure are those with the largest shares; where no time is left for them, shares are all there is
        await predict(about, { behind: true, shares: true }, stopped);
      } else if (left.length > 0) {
        const started = now();
        const found = await measured({ ...about, behind: true, units: batch(left, about.position) }, stopped);
        if (stopped.aborted) return;
        if (isSlow(left[0] ?? '')) spare.slowMs -= now() - started;
        done += found.length;
        add(about, found);
      } else if (effects.faithfulnessOf === drawingKey(drawn.peek())) return;
      else await compare(about, effects, stopped);
    }
  }

  function unitsLeft(effects: KnownEffects, slowMs: number): string[] {
    const left = toMeasure(effects, drawn.peek().edges, most.peek());
    if (slowMs <= 0) return left.filter((unit) => !isSlow(unit));
    if (slowMs > SLOW_UNITS_MS / 2) return left;
    // half of the time is for tokens, which come last
    return [...left.filter((unit) => !isBlock(unit)), ...left.filter(isBlock)];
  }

  /** Throws where nothing of it came back: asking once more would not end. */
  async function measured(params: MeasureEffectsParams, stopped: AbortSignal): Promise<UnitEffect[]> {
    const { units } = await ask({ method: 'lmTransparency/measureEffects', params }, stopped);
    if (!units.some((one) => isReached(one) && params.units?.includes(one.unit)))
      throw new Error('The backend measured none of the units that it was asked for.');
    return units;
  }

  /** How far the drawing holds the metric; none without attention edges to compare. */
  async function compare(about: About, effects: KnownEffects, stopped: AbortSignal): Promise<void> {
    const drawing = drawn.peek();
    const { threshold, renormalize } = drawing;
    const params = { ...about, behind: true, threshold, renormalize, ...pairs(effects, AGREEING) };
    const found = await ask({ method: 'lmTransparency/faithfulness', params }, stopped);
    const latest = kept.peek().get(keyOf(about));
    if (stopped.aborted || !latest) return;
    remember(keyOf(about), { ...latest, faithfulness: found, faithfulnessOf: drawingKey(drawing) });
  }

  /** Starts following the wish; returns how to stop. */
  function live(): () => void {
    return effect(() => {
      const wanted = wish.value;
      return untracked(() => {
        phase.value = { kind: 'idle' };
        if (!wanted?.able) return undefined;
        const asking = new AbortController();
        void follow(wanted, asking.signal);
        return () => asking.abort();
      });
    });
  }

  /** How many units were to be measured and were not: the time for those that take whole runs is over. */
  const unreached = computed(() => {
    const effects = phase.value.kind === 'done' && most.value > 0 ? known.value : null;
    return effects ? toMeasure(effects, drawn.value.edges, most.value).length : 0;
  });

  /** Some edges are still to be measured. */
  const edgesToCome = computed(() => {
    const effects = phase.value.kind === 'measuring' ? known.value : null;
    if (!effects) return phase.value.kind === 'predicting';
    return toMeasure(effects, drawn.value.edges, most.value).some((unit) => placeOfUnit(unit) !== null);
  });

  return { known, phase, faithfulness, unreached, edgesToCome, restore, add, live };
}

const drawingKey = ({ threshold, renormalize }: Drawing): string => JSON.stringify([threshold, renormalize]);

const keyOf = ({ runId, position, target, contrast }: About): string =>
  JSON.stringify([runId, position, target, contrast]);

/** Units that start together are measured together: the first of a kind. */
function batch(left: readonly string[], position: number): string[] {
  const [slow, token] = [isSlow(left[0] ?? ''), isToken(left[0] ?? '')];
  const end = left.findIndex((unit) => isSlow(unit) !== slow || isToken(unit) !== token);
  return left.slice(0, Math.min(atOnce(position), end < 0 ? left.length : end));
}

const isToken = (unit: string): boolean => unit.startsWith('X0_') && !unit.includes('>');

const isBlock = (unit: string): boolean => unit.startsWith('M');

const isSlow = (unit: string): boolean => isBlock(unit) || isToken(unit);

/** Waits unless stopped; a stopped wait never ends, so that nothing after it happens. */
function pause(ms: number, stopped: AbortSignal): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const onStop = (): void => clearTimeout(timer);
    const timer = setTimeout(() => {
      stopped.removeEventListener('abort', onStop);
      resolve();
    }, ms);
    stopped.addEventListener('abort', onStop);
  });
}

/** Resolves when one of the signals changes, or at once where it is stopped already. */
function change(stopped: AbortSignal, ...signals: ReadonlySignal<unknown>[]): Promise<void> {
  if (stopped.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    let first = true;
    const stop = effect(() => {
      for (const one of signals) void one.value;
      if (!first) {
        resolve();
        stopped.removeEventListener('abort', stop);
        queueMicrotask(() => stop());
      }
      first = false;
    });
    stopped.addEventListener('abort', stop);
  });
}
