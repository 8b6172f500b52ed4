/** The effect of what is inspected, in words, and the button that knocks it out. */
import type { ComponentChildren } from 'preact';
import { useSignal } from '@preact/signals';
import type { MetricValue, UnitEffect } from '../../../extension/shared/protocol';
import { doneInWords, metricInWords, metricText, toneOf } from '../effects/inWords';
import { unitOf } from '../effects/units';
import { Waiting } from '../controls/waiting';
import { effectNumber } from '../words/effect';
import type { Store } from '../store/state';
import { KnockOut, KnockOutButton } from './knockOut';
import { matters, useMeasured } from './measured';
import { shownIn } from './shown';

interface Props {
  store: Store;
  selection: string;
  /** The other figures of the selection, below its effect. */
  children?: ComponentChildren;
}

/** No effect for a selection that cannot be taken out: a state of the residual stream, or what only passes one on. */
export function Effect({ store, selection, children }: Props) {
  const unit = unitOf(selection);
  const about = store.causes.metric.value;
  if (unit === null || about === null) return <>{children}</>;
  if (matters(unit, about.position))
    return (
      <OfUnit key={unit} store={store} unit={unit}>
        {children}
      </OfUnit>
    );
  return (
    <>
      <p class="figures" data-testid="effect">
        no effect: it comes after the target
      </p>
      {children}
    </>
  );
}

interface UnitProps {
  store: Store;
  unit: string;
  children: ComponentChildren;
}

function OfUnit({ store, unit, children }: UnitProps) {
  const asked = useSignal(false);
  const measured = useMeasured(store, [unit], asked.value);
  const { knockedOut } = shownIn(store);
  const effect = measured.of(unit);
  const known = store.causes.known.value;
  const isOpen = knockedOut.value === unit && !store.recording;
  const offers = known === null && !asked.value && !store.recording && store.causes.phase.value.kind === 'idle';
  // in a recording, or before anything is predicted, there may be nothing to say
  if (!effect && store.recording) return <>{children}</>;
  return (
    <>
      <div class="figures effect-said" data-testid="effect">
        {!store.recording && !isOpen && <KnockOutButton store={store} unit={unit} />}
        {effect && <InWords store={store} effect={effect} metric={known?.metric ?? null} />}
        {!effect && offers && (
          <button
            type="button"
            class="link"
            data-testid="measure"
            title="Runs the model without it"
            onClick={() => (asked.value = true)}
          >
            Measure the effect
          </button>
        )}
        {!effect && !offers && measured.reply?.state !== 'failed' && (
          <>
            effect <span class="pending" title="being computed" />
          </>
        )}
        <Waiting reply={measured.reply} what="The effect" quiet />
      </div>
      {children}
      {isOpen && <KnockOut key={unit} store={store} unit={unit} />}
    </>
  );
}

interface WordsProps {
  store: Store;
  effect: UnitEffect;
  /** The number that effects are counted in; null while it is not known. */
  metric: MetricValue | null;
}

function InWords({ store, effect, metric }: WordsProps) {
  const { measured, predicted, kl, how } = effect;
  const model = store.analysis.value?.meta.model;
  const of = metric && (
    <>
      {' '}
      of <span title={metricInWords(metric, model)}>{metricText(metric.value)}</span>
    </>
  );
  if (measured === null) {
    if (how !== '') return <>no effect: no later token reads it</>;
    if (predicted === null) return <>effect not known</>;
    return (
      <>
        effect <i title="First order: gradient · part. Not measured.">predicted {effectNumber(predicted)}</i>
        {of}
      </>
    );
  }
  const done = `Measured: ${doneInWords(how)}${kl === null ? '' : `, KL ${kl.toPrecision(2)} nats`}`;
  return (
    <>
      effect{' '}
      <b class={toneOf(measured)} title={done} data-testid="effect-measured">
        {effectNumber(measured)}
      </b>
      {of}
      {predicted !== null && <i title="First order: gradient · part."> (predicted {effectNumber(predicted)})</i>}
    </>
  );
}
