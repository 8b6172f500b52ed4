/** Which lens reads the states: as they are, or turned by the Jacobian lens that was fitted here. */
import { roving } from '../controls/roving';
import { useLatest } from '../store/ask';
import type { Store } from '../store/state';
import type { LensState } from './lensState';

/** What the lenses are called, and what each reads. */
const LENSES: Record<string, { label: string; title: string }> = {
  logit: { label: 'Logit lens', title: 'States as they are, through the final norm and the unembedding' },
  jacobian: {
    label: 'Jacobian lens',
    title:
      'States turned by the mean derivative of the last layer’s output: what they are disposed to make the model say at some point, not next',
  },
};

export function LensChoice({ store, lens }: { store: Store; lens: LensState }) {
  const { latest } = useLatest(store, 'lmTransparency/lenses', store.recording ? null : {});
  const names = latest?.names ?? [];
  // the run of another model may come with the same panel
  const chosen = names.includes(lens.lens.value) ? lens.lens.value : 'logit';
  if (names.length < 2) return null;
  return (
    <>
      <span class="switch" role="group" aria-label="Lens" data-testid="lens-choice" onKeyDown={roving}>
        {names.map((name) => (
          <button
            key={name}
            type="button"
            tabIndex={name === chosen ? 0 : -1}
            class={`quiet${name === chosen ? ' on' : ''}`}
            data-testid={`lens-${name}`}
            aria-pressed={name === chosen}
            title={LENSES[name]?.title}
            onClick={() => (lens.lens.value = name)}
          >
            {LENSES[name]?.label ?? name}
          </button>
        ))}
      </span>
      {chosen === 'jacobian' && (
        <span class="dim" data-testid="lens-means">
          what a state is about to say at some point, not next · fitted on {latest?.sequences} sequences
        </span>
      )}
    </>
  );
}
