/** Which lens reads the states: as they are, or turned by the Jacobian lens that was fitted here. */
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import { lensWords } from '../words/lenses';

export function LensChoice({ store }: { store: Store }) {
  const { known, name, chosen } = store.lenses;
  const names = known.value?.names ?? [];
  if (names.length < 2) return null;
  const { means } = lensWords(name.value);
  return (
    <>
      <span class="switch" role="group" aria-label="Lens" data-testid="lens-choice" onKeyDown={roving}>
        {names.map((each) => (
          <button
            key={each}
            type="button"
            tabIndex={each === name.value ? 0 : -1}
            class={`quiet${each === name.value ? ' on' : ''}`}
            data-testid={`lens-${each}`}
            aria-pressed={each === name.value}
            title={lensWords(each).title}
            onClick={() => (chosen.value = each)}
          >
            {lensWords(each).label}
          </button>
        ))}
      </span>
      {means !== '' && (
        <span class="dim" data-testid="lens-means">
          {means} · fitted on {known.value?.sequences} sequences
        </span>
      )}
    </>
  );
}
