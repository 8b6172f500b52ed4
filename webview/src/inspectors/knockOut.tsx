/** The model without a unit: the most probable outputs before and after. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { How, KnockOutResult, OutputChange } from '../../../extension/shared/protocol';
import { doneInWords, metricInWords, metricText } from '../effects/inWords';
import { useReply } from '../store/ask';
import { Waiting } from '../controls/waiting';
import { outputText } from '../words/answer';
import { effectNumber } from '../words/effect';
import type { Store } from '../store/state';
import { percent, valueText } from '../words/words';
import { OFFLINE, Section } from './parts';
import { shownIn } from './shown';

/** Outputs before and after. */
const OUTPUTS = 6;

interface Props {
  store: Store;
  unit: string;
}

/** Keeps the keyboard where it is when the button that knocks out and the one that undoes it change places. */
function useTurn(store: Store, unit: string) {
  const { knockedOut, turned } = shownIn(store);
  const ref = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (turned.peek() === unit) ref.current?.focus();
    turned.value = null;
  }, [turned, unit]);
  const turn = (to: string | null) => (event: MouseEvent) => {
    if (event.currentTarget instanceof Node && event.currentTarget.contains(document.activeElement))
      turned.value = unit;
    knockedOut.value = to;
  };
  return { ref, turn };
}

export function KnockOutButton({ store, unit }: Props) {
  const { ref, turn } = useTurn(store, unit);
  return (
    <button
      ref={ref}
      type="button"
      class="quiet small"
      data-testid="knock-out"
      title="Runs the model without it, and shows what it predicts then (k)"
      onClick={turn(unit)}
    >
      Knock out
    </button>
  );
}

/** What a unit can be set to; those that attention carries are set to zero, and a token is kept from being read. */
const hasMean = (unit: string): boolean => unit.startsWith('M') || /^\d/.test(unit);

export function KnockOut({ store, unit }: Props) {
  const { knockedOut } = shownIn(store);
  const { ref, turn } = useTurn(store, unit);
  const how = useSignal<How>('default');
  const about = store.causes.about.value;
  const asked = about && { ...about, unit, topK: OUTPUTS, how: how.value };
  const reply = useReply(store, 'lmTransparency/knockOut', asked);
  // who comes back sees the model as it is
  useEffect(
    () => () => {
      if (knockedOut.peek() === unit) knockedOut.value = null;
    },
    [knockedOut, unit],
  );
  const result = reply?.state === 'known' ? reply.result : null;
  const failed = reply?.state === 'failed' ? reply.message : null;
  const aside = (
    <>
      {hasMean(unit) && (
        <select
          class="how"
          data-testid="knock-out-how"
          aria-label="What it is set to"
          value={how.value}
          onChange={(event) => (how.value = event.currentTarget.value as How)}
        >
          <option value="default">mean</option>
          <option value="zero">zero</option>
        </select>
      )}
      <button
        ref={ref}
        type="button"
        class="quiet small on"
        data-testid="knock-out-undo"
        title="Shows the model as it is again (k)"
        onClick={turn(null)}
      >
        undo
      </button>
    </>
  );
  return (
    <Section
      title="Knock out"
      store={store}
      help="knock-out"
      aside={aside}
      {...(result && { table: tableOf(unit, result) })}
    >
      {result && <Changes store={store} result={result} />}
      {failed === null ? (
        <Waiting reply={reply} what="The run without it" />
      ) : (
        <p class="dim" role="status" data-testid="knock-out-said">
          {store.offline.value === null ? failed : OFFLINE}
        </p>
      )}
    </Section>
  );
}

const tableOf = (unit: string, { outputs }: KnockOutResult) => ({
  name: 'knock-out',
  of: unit,
  columns: ['id', 'text', 'probability before', 'probability after', 'logit before', 'logit after'],
  rows: () =>
    outputs.map((one) => [one.id, one.text, one.before ?? '', one.after ?? '', one.logitBefore, one.logitAfter]),
});

function Changes({ store, result }: { store: Store; result: KnockOutResult }) {
  const { effect, metric, outputs } = result;
  const model = store.analysis.value?.meta.model;
  const { measured, how, kl } = effect;
  return (
    <div role="status">
      <ol class="changes" role="list" data-testid="knock-out-changes">
        {outputs.map((output) => (
          <li key={output.id} title={logitsOf(output)}>
            <bdi class="token">{outputText(model, output.text)}</bdi>
            <span class="two-bars">
              {output.before !== null && <span class="before" style={{ width: `${100 * output.before}%` }} />}
              {output.after !== null && <span class="after" style={{ width: `${100 * output.after}%` }} />}
            </span>
            <span class="number">{figures(output)}</span>
          </li>
        ))}
      </ol>
      <p class="dim rest" data-testid="knock-out-sum">
        {outputs.some(({ before }) => before !== null) && (
          <span aria-hidden="true">
            <span class="key before" /> before <span class="key after" /> after ·{' '}
          </span>
        )}
        {how === '' ? '' : `${doneInWords(how)} · `}
        {measured === null
          ? 'nothing changes'
          : `${metricInWords(metric, model)} ${metricText(metric.value)} → ${metricText(metric.value - measured)} (effect ${effectNumber(measured)})`}
        {kl === null || measured === null ? '' : ` · KL ${kl.toPrecision(2)} nats`}
      </p>
    </div>
  );
}

const logitsOf = ({ text, logitBefore, logitAfter }: OutputChange): string =>
  `'${text}' logit ${logitBefore.toFixed(2)} → ${logitAfter.toFixed(2)}`;

/** "92% → 31%"; values where there are no probabilities. */
const figures = ({ before, after, logitBefore, logitAfter }: OutputChange): string =>
  before === null || after === null
    ? `${valueText(logitBefore)} → ${valueText(logitAfter)}`
    : `${percent(before)} → ${percent(after)}`;
