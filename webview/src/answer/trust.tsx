/** How far to trust the effects, in words with figures: only what was measured is said. */
import { edgePlace, placeOfUnit } from '../effects/units';
import { usePopup } from '../controls/popup';
import type { FaithfulnessResult } from '../../../extension/shared/protocol';
import type { Analysis } from '../analysis/payload';
import type { KnownEffects } from '../effects/known';
import type { Routes } from '../routes/routes';
import type { Store } from '../store/state';
import { count, scientific, withSign } from '../words/words';
import { FIGURES } from './trustFigures';
import type { TrustFigure } from './trustFigures';

/** 0.61 → "61%"; a part of the whole can be negative or above it. */
export const wholePercent = (value: number): string => `${withSign(value, Math.abs(100 * value).toFixed(0), '')}%`;

const rankText = (rho: number): string => withSign(rho, Math.abs(rho).toFixed(2), '');

/** Parts of the whole beyond this say only that the whole is small. */
const FARTHEST = 3;

const plural = (n: number, one: string): string => `${count(n)} ${one}${n === 1 ? '' : 's'}`;

/** Measured edges that are drawn, and those that are not: candidates. */
export function measuredEdges(
  analysis: Analysis,
  routes: Routes,
  known: KnownEffects,
): { drawn: number; others: number } {
  const { edgeLayer, edgeQuery, edgeKey } = analysis.columns;
  const edges = [...known.units.values()].filter(({ kind, measured }) => kind === 'edge' && measured !== null);
  const places = new Set(edges.map(({ unit }) => placeOfUnit(unit)));
  let drawn = 0;
  // few are measured, and the drawing may have very many
  for (const e of routes.kept)
    if (places.has(edgePlace(edgeLayer[e] ?? 0, edgeQuery[e] ?? 0, edgeKey[e] ?? 0))) drawn++;
  return { drawn, others: edges.length - drawn };
}

/** What effects are a part of: "the difference". */
function wholeOf({ metric }: KnownEffects, task: string): string {
  if (task === 'value') return 'value';
  return metric.contrast ? 'difference' : metric.kind === 'logprob' ? 'log-probability' : 'logit';
}

/** "Measured 47 edges and 20 candidates: sign as predicted 18 of the 20 strongest, …"; empty: nothing was measured. */
export function trustInWords(
  { drawn, others }: { drawn: number; others: number },
  found: FaithfulnessResult | null,
  whole: string,
): string {
  const counts = [drawn > 0 ? plural(drawn, 'edge') : '', others > 0 ? plural(others, 'candidate') : ''].filter(
    Boolean,
  );
  const { n = 0, sign = null, rho = null, kept = null, removed = null } = found ?? {};
  const agreement = [
    ...(sign === null || n === 0 ? [] : [`sign as predicted ${Math.round(sign * n)} of the ${n} strongest`]),
    ...(rho === null ? [] : [`rank agreement ${rankText(rho)}`]),
  ].join(', ');
  const isTooFar = [kept, removed].some((part) => part !== null && Math.abs(part) > FARTHEST);
  const compared = [
    ...(kept === null ? [] : [`the drawing alone keeps ${wholePercent(kept)} of the ${whole}`]),
    ...(removed === null ? [] : [`${wholePercent(removed)} is left without it`]),
  ].join(', ');
  const drawing = isTooFar
    ? `all attention edges together change the ${whole} too little to compare the drawing with`
    : [compared, ...(kept === null ? [] : [judgement(kept, removed)])].filter(Boolean).join(': ');
  const said = [counts.length > 0 ? `Measured ${counts.join(' and ')}` : '', agreement].filter(Boolean).join(': ');
  const sentence = [said, drawing].filter(Boolean).join('; ');
  return sentence === '' ? '' : `${sentence[0]?.toUpperCase()}${sentence.slice(1)}.`;
}

/** From this part of the whole on, the drawing holds it. */
const HOLDS = 0.75;
/** Below this part, it does not. */
const HOLDS_NOT = 0.25;

/** Whether the drawing explains the number, in plain words; empty where the figures say it. */
function judgement(kept: number, removed: number | null): string {
  const spared = removed !== null && removed >= HOLDS ? ', and the model can do without it' : '';
  if (kept < HOLDS_NOT) return `the drawing does not hold it alone${spared}`;
  return kept < HOLDS ? spared.replace(', and ', '') : `the drawing holds it alone${spared}`;
}

interface Props {
  store: Store;
  /** The answer over it is made of effects, not of flow. */
  measured: boolean;
}

export function Trust({ store, measured }: Props) {
  const { causes } = store;
  const [known, phase] = [causes.known.value, causes.phase.value];
  const [analysis, routes] = [store.analysis.value, store.settledRoutes.value];
  if (!analysis || !routes) return null;
  const faithfulness = causes.faithfulness.value;
  const sentence = known
    ? trustInWords(measuredEdges(analysis, routes, known), faithfulness, wholeOf(known, analysis.meta.model.task))
    : '';
  const notices = known?.notices ?? [];
  const unreached = causes.unreached.value;
  const failed = phase.kind === 'failed' ? `Effects are unavailable: ${phase.message}` : '';
  return (
    <div class="trust" data-testid="trust">
      {failed !== '' && (
        <span role="status" data-testid="effects-failed">
          {failed}{' '}
        </span>
      )}
      {!measured && <span data-testid="trust-flow">Flow is a reading aid, not a causal claim. </span>}
      {sentence !== '' && <span data-testid="trust-said">{sentence} </span>}
      {sentence !== '' && <Explained store={store} known={known} faithfulness={faithfulness} />}
      {unreached > 0 && (
        <span class="notice" data-testid="trust-unreached" title="Open one, and it is measured">
          {' '}
          {unreached === 1 ? '1 block or token was' : `${count(unreached)} blocks and tokens were`} not measured in the
          time for them.
        </span>
      )}
      <Going store={store} />
      {notices.map((notice) => (
        <span key={notice} class="notice" role="note">
          {' '}
          {notice}
        </span>
      ))}
    </div>
  );
}

/** How far measuring is; quietly, for it changes with each batch. */
function Going({ store }: { store: Store }) {
  const { phase, expected } = store.causes;
  const { value: now } = phase;
  if (now.kind === 'measuring')
    return (
      <span class="going" data-testid="trust-going">
        {' '}
        {count(now.total - now.done)} more to measure …
      </span>
    );
  if (now.kind !== 'predicting' && !expected.value) return null;
  return (
    <span class="going" data-testid="trust-predicting">
      {' '}
      predicting effects …
    </span>
  );
}

interface ExplainedProps {
  store: Store;
  known: KnownEffects | null;
  faithfulness: FaithfulnessResult | null;
}

/** A question mark that opens what each figure means. */
function Explained({ store, known, faithfulness }: ExplainedProps) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLDivElement>();
  const isOpen = open.value;
  const { sign = null, rho = null, kept = null, removed = null } = faithfulness ?? {};
  const shareError = known?.shareError ?? null;
  const values: Record<TrustFigure, string | null> = {
    sign: sign === null ? null : wholePercent(sign),
    rank: rho === null ? null : rankText(rho),
    kept: kept === null ? null : wholePercent(kept),
    left: removed === null ? null : wholePercent(removed),
    shares: shareError === null ? null : scientific(shareError),
  };
  return (
    <span ref={anchor} class="menu-anchor" onKeyDown={onKeyDown}>
      <button
        type="button"
        class="tool"
        data-testid="trust-help"
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        aria-label="What do these figures mean?"
        title="What do these figures mean?"
        onClick={() => (open.value = !isOpen)}
      >
        ?
      </button>
      {isOpen && (
        <div ref={popup} class="menu trust-figures" role="dialog" aria-label="How far to trust the effects">
          <dl>
            {FIGURES.map(({ figure, name, sentences }) => (
              <div key={figure}>
                <dt>
                  {name} <b class="token">{values[figure] ?? 'not measured'}</b>
                </dt>
                <dd>{sentences.join(' ')}</dd>
              </div>
            ))}
          </dl>
          <button
            type="button"
            class="link"
            onClick={() => store.tell({ type: 'openDocs', address: 'inspectors#how-far-to-trust-it' })}
          >
            More in the documentation
          </button>
        </div>
      )}
    </span>
  );
}
