/** Which metric's effects are wanted: of the target, against a contrast; and what is known of them. */
import { computed, effect, signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import type { EffectsResult } from '../../../extension/shared/protocol';
import type { About as Named, Filling } from '../../../extension/shared/webview';
import type { Analysis } from '../analysis/payload';
import { isComplete, predictedAt } from '../analysis/payload';
import { asResult } from '../effects/known';
import { createMeasuring } from '../effects/measuring';
import type { About, Drawing, Wish } from '../effects/measuring';
import type { DrawnEdge } from '../effects/plan';
import type { Host } from '../hosts/host';
import { faintestDrawn } from '../groups/faintest';
import type { Ink } from '../routes/headTotals';
import type { Routes } from '../routes/routes';

/** A token that was chosen at a position, by its text or as `#ID`; null: none, and not the one that the file names. */
interface Choice {
  position: number;
  target: string | null;
  contrast: string | null;
}

/** Milliseconds without typing before effects are predicted, and then measured. */
const PREDICT_MS = 400;
const MEASURE_MS = 1200;
/** What was found is kept by the host when it has not grown for this long. */
const KEEP_MS = 1000;
/** Drawn edges that are measured where the host does not say. */
const USUAL_BUDGET = 60;

/** The part of the state that it depends on; see `createStore`. */
interface Asked {
  analysis: ReadonlySignal<Analysis | null>;
  target: ReadonlySignal<number>;
  about: ReadonlySignal<Named | null>;
  filling: ReadonlySignal<Filling | null>;
  offline: ReadonlySignal<string | null>;
  ink: ReadonlySignal<Ink>;
  settledRoutes: ReadonlySignal<Routes | null>;
}

export type Causes = ReturnType<typeof createCauses>;

export function createCauses(host: Host, asked: Asked) {
  const { analysis, target, about: named, filling, offline, ink, settledRoutes } = asked;
  const choice = signal<Choice | null>(null);
  /** Drawn edges that are measured; 0: effects are predicted once someone asks for them, and not measured. */
  const budget = signal(USUAL_BUDGET);
  /** The shown analysis follows typing. */
  const typed = signal(false);

  const metric = steady<About | null>(() => {
    const meta = analysis.value?.meta;
    if (!meta) return null;
    const position = target.value;
    const chosen = choice.value?.position === position ? choice.value : null;
    const inFile = position === meta.target ? named.value : null;
    const { target: wanted, contrast } = chosen ?? inFile ?? { target: null, contrast: null };
    return { runId: meta.runId, position, target: wanted, contrast };
  });
  /** The same for a question, whose run the asker knows. */
  const about = computed(() => {
    if (metric.value === null) return null;
    const { position, target: wanted, contrast } = metric.value;
    return { position, target: wanted, contrast };
  });
  /** What was chosen at the target, for the host to remember. */
  const chosen = computed(() => {
    const made = choice.value;
    return made?.position === target.value ? { target: made.target, contrast: made.contrast } : null;
  });
  const wish = steady<Wish | null>(() => {
    const [run, metricNow] = [analysis.value, metric.value];
    if (!run || !metricNow) return null;
    const isThere = isComplete(run) || filling.value?.going === false;
    const wanted = (budget.value > 0 && host.onlyWhenAsked !== true) || ink.value === 'effect' || choice.value !== null;
    return {
      about: metricNow,
      able: isThere && wanted && offline.value === null && !host.recording,
      predictAfter: typed.value ? PREDICT_MS : 0,
      measureAfter: typed.value ? MEASURE_MS : 0,
      asked: choice.value?.position === metricNow.position,
    };
  });
  const drawn = computed<Drawing>(() => drawingOf(analysis.value, settledRoutes.value));
  const measuring = createMeasuring(host, { wish, drawn, most: budget, inked: computed(() => ink.value === 'effect') });

  /** Effects are to come: there is someone to ask, and nothing has failed. */
  const expected = computed(() => {
    if (measuring.known.value || measuring.phase.value.kind === 'failed' || !analysis.value) return false;
    return wish.value?.able === true || (filling.value?.going === true && offline.value === null && !host.recording);
  });

  /** Asks "why not this token?" at the target; null: of the target alone. */
  function setContrast(contrast: string | null): void {
    const now = metric.peek();
    if (now) choice.value = { position: now.position, target: now.target, contrast };
  }

  /** Another analysis is shown: `kept` is what the view of before chose, `edited` the same prompt after some typing. */
  function begin(before: number, kept: Choice | null, effects: EffectsResult | null, edited: boolean): void {
    typed.value = edited;
    const position = target.peek();
    if (!edited) choice.value = kept;
    else if (choice.peek()?.position === before) choice.value = { ...(choice.peek() as Choice), position };
    if (effects?.position !== position) return;
    if (choice.peek()?.position !== position) choice.value = chosenIn(effects, analysis.peek());
    const now = metric.peek();
    if (now) measuring.restore(now, effects);
  }

  /** Starts measuring, and lets the host keep what is found. Returns a function that stops both. */
  function live(): () => void {
    const stops = [
      measuring.live(),
      effect(() => {
        const [known, phase, run] = [measuring.known.value, measuring.phase.value, analysis.value];
        if (!known || !run || phase.kind === 'idle') return;
        const { runId } = run.meta;
        const isComplete = phase.kind === 'done' && budget.value > 0;
        const timer = setTimeout(
          () => host.tell({ type: 'effects', runId, effects: asResult(known, isComplete) }),
          // what is complete grows no more, and a window may close at any time
          isComplete ? 0 : KEEP_MS,
        );
        return () => clearTimeout(timer);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  return { ...measuring, about, chosen, expected, metric, budget, setContrast, begin, live };
}

/** As `computed`; what means the same stays the same, so that nobody begins again for it. Of plain values. */
function steady<T>(compute: () => T): ReadonlySignal<T> {
  let last: { value: T; meaning: string } | null = null;
  return computed(() => {
    const value = compute();
    const meaning = JSON.stringify(value);
    if (last?.meaning !== meaning) last = { value, meaning };
    return last.value;
  });
}

/** The metric of kept effects, as if it had been chosen. */
function chosenIn({ position, metric }: EffectsResult, run: Analysis | null): Choice {
  const isPredicted = run !== null && predictedAt(run, position) === metric.target.id;
  return {
    position,
    target: isPredicted ? null : `#${metric.target.id}`,
    contrast: metric.contrast && `#${metric.contrast.id}`,
  };
}

/** Of a larger drawing only so many of the strongest edges are candidates to measure: its picture shows no more either. */
const MOST_CONSIDERED = 4000;

function drawingOf(run: Analysis | null, routes: Routes | null): Drawing {
  if (!run || !routes) return { edges: [], threshold: 0, renormalize: true };
  const { edgeLayer, edgeQuery, edgeKey } = run.columns;
  const { kept, keptFlow, threshold, renormalize } = routes;
  const faintest = faintestDrawn(keptFlow, kept.length, MOST_CONSIDERED);
  const edges: DrawnEdge[] = [];
  kept.forEach((e, i) => {
    const flow = keptFlow[i] ?? 0;
    if (flow < faintest) return;
    edges.push({ layer: edgeLayer[e] ?? 0, query: edgeQuery[e] ?? 0, key: edgeKey[e] ?? 0, flow });
  });
  return { edges, threshold, renormalize };
}
