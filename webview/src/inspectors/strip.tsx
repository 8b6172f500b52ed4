/** One bar per token over the whole prompt: up for positive values, down for negative ones. */
import { useEffect, useRef } from 'preact/hooks';
import { roving } from '../controls/roving';
import { labelAt, tokenClass } from '../words/describe';
import type { Store } from '../store/state';
import type { HelpTopic } from './help';
import { Section } from './parts';

interface Props {
  store: Store;
  values: number[];
  /** The token that is looked at. */
  position: number;
  /** What the number is: "activation", "gate". */
  what: string;
  /** How it is written. */
  written: (value: number) => string;
  help: HelpTopic;
  testId: string;
  /** Whose numbers they are, in the name of the saved table. */
  of: string;
  /** What a click on a token selects. */
  nameAt: (position: number) => string;
}

export function Strip({ store, values, position, what, written, help, testId, of, nameAt }: Props) {
  const strip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    strip.current?.querySelector('[aria-pressed="true"]')?.scrollIntoView?.({ block: 'nearest', inline: 'nearest' });
  }, [position]);
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const highest = Math.max(0, ...values);
  const lowest = Math.min(0, ...values);
  const range = Math.max(1e-12, highest - lowest);
  const wordsAt = (at: number): string =>
    `${labelAt(analysis, at)} at position ${at}: ${what} ${written(values[at] ?? 0)}`;
  return (
    <Section
      title="Over the prompt"
      store={store}
      help={help}
      table={{
        name: testId,
        of,
        columns: ['position', 'token', what],
        rows: () => values.map((value, at) => [at, analysis.meta.tokens[at]?.text ?? '', value]),
      }}
      aside={
        <span class="plain-note">
          {written(lowest)} … {written(highest)}
        </span>
      }
    >
      <div
        ref={strip}
        class="strip"
        role="group"
        aria-label={`${what[0]?.toUpperCase()}${what.slice(1)} at every token`}
        data-testid={testId}
        onKeyDown={roving}
        style={{ '--zero': `${(highest / range) * 100}%` }}
      >
        {values.map((value, at) => (
          <button
            key={at}
            type="button"
            class={at === position ? 'here' : ''}
            tabIndex={at === position ? 0 : -1}
            data-position={at}
            aria-pressed={at === position}
            aria-label={wordsAt(at)}
            title={wordsAt(at)}
            onClick={() => store.select(nameAt(at))}
          >
            <bdi class={tokenClass(analysis, at)}>{labelAt(analysis, at)}</bdi>
            <span class="column">
              <span
                class={`bar${value < 0 ? ' negative' : ''}`}
                style={{
                  top: `${((highest - Math.max(0, value)) / range) * 100}%`,
                  height: `${(Math.abs(value) / range) * 100}%`,
                }}
              />
            </span>
          </button>
        ))}
      </div>
    </Section>
  );
}
