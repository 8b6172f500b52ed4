/** The legend of effects: their colours, and the number that they are counted in. */
import type { Store } from '../store/state';
import { outputText } from '../words/answer';
import { metricInWords, metricText, tokensInBrief, tokensInWords } from '../effects/inWords';
import type { KnownEffects } from '../effects/known';

/** The marks of ink effect. */
export function EffectKeys({ store }: { store: Store }) {
  const { target, contrast } = namesOf(store);
  const ink = store.shown.value?.effects ?? null;
  const going = store.causes.phase.value.kind !== 'done' && !store.recording;
  const curve = 'M1 8 C 10 8, 12 2, 23 2';
  const key = (look: string, words: string) => (
    <span class="key">
      <svg viewBox="0 0 24 10" width="24" height="10" aria-hidden="true">
        <path class={look} d={curve} />
      </svg>
      {words}
    </span>
  );
  return (
    <>
      {key('supports', `supports ${target}`)}
      {key('opposes', contrast === null ? 'opposes' : `opposes, supports ${contrast}`)}
      {ink && ink.dashed.count > 0 && key('supports strong', 'strong, though no route draws it')}
      {ink?.edges.predicted.some((n) => n > 0) &&
        key('supports predicted', going ? 'predicted, not measured yet' : 'predicted, not measured')}
      {ink?.ffn.predicted.some((n) => n > 0) && (
        <span class="key">
          <svg viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
            <rect class="ffn hollow" x="1" y="1" width="6" height="6" />
          </svg>
          predicted
        </span>
      )}
    </>
  );
}

/** What the bars are, in full. */
const barsOf = (effects: KnownEffects): string =>
  [
    `Filled: measured ${tokensInWords(effects)}.`,
    'Hollow: not measured; the share that its embedding carries. A group has the sum of its tokens’ shares.',
    'First token faint: heads rest there when they look for nothing.',
  ].join('\n');

/** The line under the marks: in every ink where effects are known or to come, so that it does not move the graph. */
export function EffectLine({ store }: { store: Store }) {
  const { known, expected } = store.causes;
  const effects = known.value;
  if (!effects && !expected.value) return null;
  return (
    <div class="effect-line" data-testid="effect-line">
      {effects && (
        <span class="metric" title={barsOf(effects)}>
          {metricInWords(effects.metric, store.analysis.value?.meta.model)} = {metricText(effects.metric.value)} · bars:{' '}
          {tokensInBrief(effects)}, hollow: {isSummed(store) ? 'shares, summed in groups' : 'shares'}
        </span>
      )}
    </div>
  );
}

/** Groups sum what their tokens have; folds have no bars. */
const isSummed = ({ columns }: Store): boolean => columns.value?.grouped === true && columns.value.kind === null;

function namesOf(store: Store): { target: string; contrast: string | null } {
  const metric = store.causes.known.value?.metric;
  const model = store.analysis.value?.meta.model;
  return {
    target: metric ? outputText(model, metric.target.text) : 'the target',
    contrast: metric?.contrast ? outputText(model, metric.contrast.text) : null,
  };
}
