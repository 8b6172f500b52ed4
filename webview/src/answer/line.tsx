/** The headline: what the model says and where it comes from, in one sentence of parts to click; under it, how it is known. */
import { useEffect } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { roving } from '../controls/roving';
import { CopyButton } from '../inspectors/table';
import type { Store } from '../store/state';
import { useAnswer } from './answer';
import type { Answer } from './answer';
import { textOf } from './parts';
import type { Part } from './parts';
import { Trust } from './trust';
import { metricInWords, metricText } from '../effects/inWords';

/** A sentence that stands for so long is read out. */
const HEARD_AFTER_MS = 700;

/** For screen readers, before anything else: each answer once, and again when its effects are measured; never between. */
export function AnswerHeard({ store }: { store: Store }) {
  const answer = useAnswer(store);
  const heard = useSignal({ of: '', text: '' });
  const [of, text, settled] = [answer?.of ?? '', answer ? textOf(answer.parts) : '', answer?.settled ?? false];
  useEffect(() => {
    if (text === '' || (heard.peek().of === of && !settled)) return undefined;
    const timer = setTimeout(() => (heard.value = { of, text }), HEARD_AFTER_MS);
    return () => clearTimeout(timer);
  }, [heard, of, text, settled]);
  return (
    <div class="sr-only" role="status" data-testid="answer-heard">
      {heard.value.text}
    </div>
  );
}

export function AnswerLine({ store }: { store: Store }) {
  const answer = useAnswer(store);
  if (!answer) return null;
  const text = textOf(answer.parts);
  const roomy = store.causes.known.value !== null || store.causes.expected.value;
  const first = answer.parts.findIndex(({ select }) => select !== undefined);
  return (
    <section class={`headline${roomy ? ' roomy' : ''}`} data-testid="answer" aria-label="Answer">
      <p class="answer" data-testid="answer-said" title={text} onKeyDown={roving}>
        {answer.parts.map((part, index) => (
          <Said key={index} store={store} part={part} stop={index === first} />
        ))}{' '}
        <CopyButton store={store} text={() => copyOf(store, answer, text)} what="the answer" id="answer" />
      </p>
      <Trust store={store} measured={answer.measured} />
    </section>
  );
}

/** The sentence with what its numbers are, and of which model. */
export function copyOf(store: Store, { measured }: Answer, text: string): string {
  const model = store.analysis.value?.meta.model;
  const metric = store.causes.known.value?.metric;
  const how =
    measured && metric
      ? `effects measured one at a time on the ${metricInWords(metric, model)} = ${metricText(metric.value)}`
      : 'by flow, no causal claim';
  return `${text} (${[how, model?.name].filter(Boolean).join('; ')})`;
}

function Said({ store, part, stop }: { store: Store; part: Part; stop: boolean }) {
  const { text, look, select, tone, title, later } = part;
  const names = [look, tone, later && 'later'].filter(Boolean).join(' ');
  const content = look === 'words' || look === 'place' || look === 'figure' ? text : <bdi>{text}</bdi>;
  if (select === undefined) return <span class={names}>{content}</span>;
  const choose = (): void => {
    // who marks text to copy it means no click
    if (getSelection()?.isCollapsed === false) return;
    store.select(select);
  };
  const hover = (name: string | null) => () => void (store.hover.value = name);
  return (
    // unlike a button's, its text can be marked
    <span
      role="button"
      tabIndex={stop ? 0 : -1}
      class={`said ${names}`}
      data-name={select ?? ''}
      title={title}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        store.select(select);
      }}
      onFocus={hover(select)}
      onBlur={hover(null)}
      onPointerEnter={hover(select)}
      onPointerLeave={hover(null)}
    >
      {content}
    </span>
  );
}
