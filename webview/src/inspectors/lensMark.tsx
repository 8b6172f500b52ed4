/** The lens that a list was read by, where there is another than the usual one; a click takes the next. */
import type { Store } from '../store/state';
import { lensWords } from '../words/lenses';

export function LensMark({ store }: { store: Store }) {
  const { name, known, chosen } = store.lenses;
  const names = known.value?.names ?? [];
  if (names.length < 2) return null;
  const next = names[(names.indexOf(name.value) + 1) % names.length] ?? name.value;
  const { label, title } = lensWords(name.value);
  return (
    <button
      type="button"
      class={`quiet small${name.value === 'logit' ? '' : ' on'}`}
      data-testid="lens-mark"
      title={`${title}. Click for the ${lensWords(next).label}`}
      onClick={() => (chosen.value = next)}
    >
      {label}
    </button>
  );
}
