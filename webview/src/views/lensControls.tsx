/** Which token the lens follows, what the colour means, and its scale. */
import { classifies, namesOf, outputText } from '../words/answer';
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import { valueText } from '../words/words';
import { LensChoice } from './lensChoice';
import { FindWord } from './lensStrongest';
import type { LensCells, LensColour } from './lensCells';
import type { LensState } from './lensState';
import { PROBABILITY_STEPS, RANK_STEPS, cellOpacity } from './scale';

const COLOURS: { colour: LensColour; label: string; title: string }[] = [
  { colour: 'top', label: 'Top token', title: 'Colour: probability of the most probable token of each cell' },
  { colour: 'probability', label: 'Probability', title: 'Colour: probability of the followed token in each cell' },
  {
    colour: 'rank',
    label: 'Rank',
    title: 'Colour: rank of the followed token among the vocabulary, 1 is the most probable',
  },
];

interface Props {
  store: Store;
  lens: LensState;
  cells: LensCells | null;
  contrast: boolean;
}

export function LensControls({ store, lens, cells, contrast }: Props) {
  const colour = lens.colour.value;
  const model = store.analysis.value?.meta.model;
  if (model?.task === 'value')
    return (
      <div class="view-controls">
        <span class="dim">
          colour: value{cells?.range && `, from ${valueText(cells.range[0])} to ${valueText(cells.range[1])}`}
        </span>
      </div>
    );
  return (
    <div class="view-controls">
      <Follow store={store} lens={lens} />
      {!store.recording && <FindWord store={store} lens={lens} />}
      <span class="switch" role="group" aria-label="Colour" data-testid="lens-colour" onKeyDown={roving}>
        {COLOURS.map((entry) => (
          <button
            key={entry.colour}
            type="button"
            tabIndex={entry.colour === colour ? 0 : -1}
            class={`quiet${entry.colour === colour ? ' on' : ''}`}
            data-colour={entry.colour}
            aria-pressed={entry.colour === colour}
            title={
              classifies(model)
                ? entry.title.replace('token', 'label').replace('the vocabulary', 'the labels')
                : entry.title
            }
            onClick={() => (lens.colour.value = entry.colour)}
          >
            {classifies(model) ? entry.label.replace('token', 'label') : entry.label}
          </button>
        ))}
      </span>
      <Scale colour={colour} contrast={contrast} />
      <LensChoice store={store} lens={lens} />
    </div>
  );
}

function Follow({ store, lens }: { store: Store; lens: LensState }) {
  const predicted = lens.predicted.value;
  const model = store.analysis.value?.meta.model;
  const names = namesOf(model);
  const rival = store.rival.value;
  if (!predicted) return null;
  const others = lens.predictions.value.filter((other) => other.id !== predicted.id);
  const listed = rival && !others.some((other) => other.id === rival.id) ? [rival, ...others] : others;
  const { looked } = lens;
  const onRival = rival !== null && lens.wantsRival.value && looked.value === null;
  const onTarget = !onRival && looked.value === null;
  const choose = (id: string): void => {
    store.rival.value = listed.find((entry) => String(entry.id) === id) ?? null;
  };
  return (
    <span class="follow">
      <span class="dim">follow</span>
      <span class="switch" role="group" aria-label={`Followed ${names.one}`} onKeyDown={roving}>
        <button
          type="button"
          tabIndex={onRival ? -1 : 0}
          class={`quiet${onTarget ? ' on' : ''}`}
          data-testid="follow-target"
          aria-pressed={onTarget}
          title={
            classifies(model)
              ? 'What the classifier answers at the target'
              : store.wanted.value
                ? 'The target that the prompt’s file names'
                : 'What the model predicts after the target token'
          }
          onClick={() => lens.follow(false)}
        >
          <bdi class="token">{outputText(model, predicted.text)}</bdi>
        </button>
        {looked.value && (
          <button type="button" tabIndex={0} class="quiet on" data-testid="follow-looked" aria-pressed="true">
            <bdi class="token">{outputText(model, looked.value.text)}</bdi>
          </button>
        )}
        {rival && (
          <button
            type="button"
            tabIndex={onRival ? 0 : -1}
            class={`quiet${onRival ? ' on' : ''}`}
            data-testid="follow-rival"
            aria-pressed={onRival}
            title={`The rival: the ${names.one} it is compared with`}
            onClick={() => lens.follow(true)}
          >
            <bdi class="token">{outputText(model, rival.text)}</bdi>
          </button>
        )}
      </span>
      <label class="rival dim">
        rival
        <select
          data-testid="rival"
          value={rival ? String(rival.id) : ''}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          <option value="">none</option>
          {listed.map((entry) => (
            <option key={entry.id} value={String(entry.id)}>
              {outputText(model, entry.text)}
            </option>
          ))}
        </select>
      </label>
    </span>
  );
}

function Scale({ colour, contrast }: { colour: LensColour; contrast: boolean }) {
  const steps = colour === 'rank' ? RANK_STEPS : PROBABILITY_STEPS;
  const what = `${colour === 'rank' ? 'rank' : 'probability'}, log scale`;
  return (
    <span
      class="scale"
      role="img"
      aria-label={`Colour scale: ${what} from ${steps[0]?.label} to ${steps.at(-1)?.label}`}
    >
      <span class="dim">{what}</span>
      {steps.map((step) => (
        <span key={step.label} class="step">
          <span class="swatch" style={{ opacity: String(cellOpacity(step.strength, contrast)) }} />
          {step.label}
        </span>
      ))}
    </span>
  );
}
