/** Which lens reads the states, and the way to one that reads the middle layers: it is fitted in the background. */
import type { Fitting } from '../../../extension/shared/webview';
import { Bar } from '../controls/bar';
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import { lensWords } from '../words/lenses';
import type { LensState } from './lensState';

export function LensChoice({ store, lens }: { store: Store; lens: LensState }) {
  const { known, name, fitting } = store.lenses;
  if (known.value === null) return null;
  const { names, sequences } = known.value;
  const { means } = lensWords(name.value);
  return (
    <>
      {names.length > 1 && <Switch store={store} names={names} />}
      {names.length > 1 && (
        <button
          type="button"
          class={`quiet${lens.beside.value ? ' on' : ''}`}
          data-testid="lens-beside"
          aria-pressed={lens.beside.value}
          title="The grids of both lenses beside each other, or over each other where it is narrow"
          onClick={() => (lens.beside.value = !lens.beside.value)}
        >
          Both
        </button>
      )}
      {means !== '' && (
        <span class="dim" data-testid="lens-means">
          {means}
          {name.value === 'jacobian' && ` · fitted on ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'}`}
        </span>
      )}
      {fitting.value && <Progress store={store} fitting={fitting.value} />}
      {names.length < 2 && !fitting.value && store.inEditor && <Offer store={store} />}
    </>
  );
}

function Switch({ store, names }: { store: Store; names: string[] }) {
  const { name, chosen } = store.lenses;
  return (
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
  );
}

/** Where the logit lens is the only one. */
function Offer({ store }: { store: Store }) {
  return (
    <button
      type="button"
      class="link"
      data-testid="fit-lens"
      title="The logit lens reads noise in the middle layers of small models. A lens that is fitted on this model shows what a state is about to say at some point"
      onClick={() => store.act('fitLens')}
    >
      Read the middle layers: fit a lens on this model…
    </button>
  );
}

function Progress({ store, fitting: { message, fraction } }: { store: Store; fitting: Fitting }) {
  return (
    <span class="fitting" data-testid="fitting">
      <Bar label="Fitting the lens" fraction={fraction} />
      <span class="dim">Fitting a lens: {message}</span>
      <button
        type="button"
        class="quiet small"
        data-testid="stop-fit"
        title="What is done is kept"
        onClick={() => store.act('stopFit')}
      >
        Stop
      </button>
    </span>
  );
}
