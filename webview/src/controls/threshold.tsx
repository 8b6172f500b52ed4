/** The threshold: a slider that answers at once, and its value to type. */
import { useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Store } from '../state';
import { thresholdText } from '../words';

const SLIDER_HIGHEST = 0.1;
const STEP = 0.0005;

export function Threshold({ store }: { store: Store }) {
  const slider = useRef<HTMLInputElement>(null);
  const typed = useRef<HTMLInputElement>(null);
  const wrong = useSignal(false);
  const tau = store.tau.value;
  const lowest = store.lowest.value;

  const accept = (input: HTMLInputElement): void => {
    const text = input.value.trim();
    const value = Number(text.replace(',', '.'));
    if (text.toLowerCase() === 'auto') store.setThreshold('auto');
    else if (text !== '' && Number.isFinite(value)) store.setThreshold(value);
    wrong.value = false;
    input.value = thresholdText(store.tau.value);
  };
  const onTypedKey = (event: KeyboardEvent): void => {
    const input = event.currentTarget as HTMLInputElement;
    if (event.key === 'Enter') accept(input);
    else if (event.key === 'Escape') input.value = thresholdText(tau);
    else return;
    wrong.value = false;
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
        aria-valuetext={thresholdText(tau)}
        title="Parts that contribute no more than this are left out (Enter: type a value)"
        onInput={(event) => store.setThreshold(Number(event.currentTarget.value))}
        onKeyDown={(event) => event.key === 'Enter' && typed.current?.select()}
        style={{
          '--filled': `${((Math.min(SLIDER_HIGHEST, tau) - lowest) / (SLIDER_HIGHEST - lowest)) * 100}%`,
        }}
      />
      <input
        ref={typed}
        class={`value${wrong.value ? ' wrong' : ''}`}
        data-testid="threshold-value"
        type="text"
        inputMode="decimal"
        tabIndex={-1}
        spellcheck={false}
        value={thresholdText(tau)}
        aria-label={`threshold value, ${lowest} to 0.9`}
        aria-invalid={wrong.value}
        onInput={(event) => (wrong.value = !/^\s*(auto|[0-9]*[.,]?[0-9]+)\s*$/i.test(event.currentTarget.value))}
        onKeyDown={onTypedKey}
        onBlur={(event) => accept(event.currentTarget)}
      />
    </span>
  );
}
