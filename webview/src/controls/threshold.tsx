/** The threshold: a slider that answers at once, and its value to type. */
import { useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Store } from '../store/state';
import { thresholdText } from '../words/words';

const SLIDER_HIGHEST = 0.1;
const STEP = 0.0005;
/** A number or the beginning of one, or the word. */
const NUMBER = /^\s*(a|au|aut|auto|[0-9]*[.,]?[0-9]*)\s*$/i;

export function Threshold({ store }: { store: Store }) {
  const slider = useRef<HTMLInputElement>(null);
  const typed = useRef<HTMLInputElement>(null);
  /** The text being typed, until it is accepted: rendering must not reset it. */
  const draft = useSignal<string | null>(null);
  const tau = store.tau.value;
  const lowest = store.lowest.value;
  const wrong = draft.value !== null && !NUMBER.test(draft.value);

  const accept = (): void => {
    const text = draft.value?.trim() ?? '';
    const value = Number(text.replace(',', '.'));
    draft.value = null;
    if (text.toLowerCase() === 'auto') store.setThreshold('auto');
    else if (text !== '' && Number.isFinite(value)) store.setThreshold(value);
  };
  const onTypedKey = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') accept();
    else if (event.key === 'Escape') draft.value = null;
    else return;
    event.stopPropagation();
    slider.current?.focus();
  };

  return (
    <span class="threshold">
      <label for="threshold">threshold</label>
      <input
        ref={slider}
        id="threshold"
        data-testid="threshold"
        type="range"
        min={lowest}
        max={SLIDER_HIGHEST}
        step={STEP}
        value={Math.min(SLIDER_HIGHEST, tau)}
        aria-label="threshold"
        aria-valuetext={thresholdText(tau)}
        title="Parts that contribute no more than this are dropped (Enter: type a value)"
        onInput={(event) => store.setThreshold(Number(event.currentTarget.value))}
        onKeyDown={(event) => event.key === 'Enter' && typed.current?.select()}
        style={{
          '--filled': `${((Math.min(SLIDER_HIGHEST, tau) - lowest) / (SLIDER_HIGHEST - lowest)) * 100}%`,
        }}
      />
      <input
        ref={typed}
        class={`value${wrong ? ' wrong' : ''}`}
        data-testid="threshold-value"
        type="text"
        inputMode="decimal"
        tabIndex={-1}
        spellcheck={false}
        value={draft.value ?? thresholdText(tau)}
        aria-label={`threshold value, ${lowest} to 0.9`}
        aria-invalid={wrong}
        onInput={(event) => (draft.value = event.currentTarget.value)}
        onKeyDown={onTypedKey}
        onBlur={accept}
      />
    </span>
  );
}
