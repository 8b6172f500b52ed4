/** That the parts sum to the whole: a quiet tick that opens the figures of every layer, or a sentence when they do not. */
import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Proof } from '../../../extension/shared/protocol';
import { nodeName, nodeRef } from '../words/names';
import type { Store } from '../store/state';
import { scientific } from '../words/words';
import { usePopup } from './popup';
import { errorPlace, proofScale } from './proofScale';
import type { ProofScale } from './proofScale';
import { roving } from './roving';

const PARTS: Record<Proof['worstPart'], string> = {
  attention: 'the attention of layer',
  ffn: 'the feed-forward block of layer',
  layer: 'layer',
};

/** Goes to a layer: to its residual state in the target's column. */
const goTo = (store: Store, layer: number): void => store.select(nodeName(nodeRef('I', layer, store.target.value)));

export function ProofTick({ store, proof }: { store: Store; proof: Proof }) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLDivElement>();
  const isOpen = open.value;
  const error = scientific(proof.maxRelativeError);
  return (
    <span ref={anchor} class="menu-anchor proof-anchor" onKeyDown={onKeyDown}>
      <button
        type="button"
        tabIndex={-1}
        class={`proof${proof.holds ? '' : ' off'}`}
        data-testid="proof"
        data-holds={proof.holds}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        title={
          proof.holds
            ? `In every layer the parts sum to the whole: largest relative error ${error} (layer ${proof.worstLayer}), tolerance ${scientific(proof.tolerance)}. Click for every layer`
            : 'The parts do not sum to the whole. Click for every layer'
        }
        onClick={() => (open.value = !isOpen)}
      >
        {proof.holds ? (
          <>
            <span class="claim">adds up </span>✓ {error}
          </>
        ) : (
          `does not add up ${error}`
        )}
      </button>
      {isOpen && (
        <ProofLayers
          popup={popup}
          proof={proof}
          onPick={(layer) => {
            open.value = false;
            anchor.current?.querySelector<HTMLElement>('[aria-expanded]')?.focus();
            goTo(store, layer);
          }}
        />
      )}
    </span>
  );
}

interface LayersProps {
  popup: RefObject<HTMLDivElement | null>;
  proof: Proof;
  onPick: (layer: number) => void;
}

function ProofLayers({ popup, proof, onPick }: LayersProps) {
  const list = useRef<HTMLUListElement>(null);
  const scale = proofScale(proof);
  // the worst layer is the one to be looked at
  useLayoutEffect(() => {
    const worst = list.current?.querySelector<HTMLElement>('[tabindex="0"]');
    worst?.scrollIntoView({ block: 'nearest' });
    worst?.focus();
  }, []);
  const layers = Array.from({ length: proof.perLayer.length }, (_, index) => proof.perLayer.length - 1 - index);
  return (
    <div ref={popup} class="menu proof-layers" role="dialog" aria-label="Proof by layer" data-testid="proof-layers">
      <p>
        ‖whole − Σ parts‖ / ‖whole‖ in each layer, largest over the tokens.{' '}
        {proof.holds ? 'Rounding explains all of it.' : 'Rounding does not explain this.'}
      </p>
      <p class="dim keys" aria-hidden="true">
        {proof.attention.length > 0 ? (
          <>
            <span class="mark attention" /> attention <span class="mark ffn" /> feed-forward{' '}
          </>
        ) : (
          <>
            <span class="mark whole" /> layer{' '}
          </>
        )}
        <span class="tolerance-key" /> tolerance {scientific(proof.tolerance)}
      </p>
      <ul ref={list} role="list" onKeyDown={roving}>
        {layers.map((layer) => (
          <li key={layer}>
            <LayerRow proof={proof} layer={layer} scale={scale} onPick={onPick} />
          </li>
        ))}
      </ul>
      <div class="decades dim" aria-hidden="true">
        <span>{scientific(10 ** scale.low)}</span>
        <span>log scale</span>
        <span>{scientific(10 ** scale.high)}</span>
      </div>
    </div>
  );
}

interface LayerRowProps {
  proof: Proof;
  layer: number;
  scale: ProofScale;
  onPick: (layer: number) => void;
}

function LayerRow({ proof, layer, scale, onPick }: LayerRowProps) {
  const largest = proof.perLayer[layer] ?? 0;
  // a comparison with NaN is false: an overflow does not hold
  const holds = largest <= proof.tolerance;
  const parts = [
    { part: 'attention', name: 'attention', error: proof.attention[layer] },
    { part: 'ffn', name: 'feed-forward', error: proof.ffn[layer] },
    { part: 'whole', name: 'whole layer', error: proof.whole[layer] },
  ].filter((entry): entry is { part: string; name: string; error: number } => entry.error !== undefined);
  const marks = parts.length > 1 ? parts.slice(0, 2) : parts;
  const words = parts.map(({ name, error }) => `${name} ${scientific(error)}`).join(', ');
  return (
    <button
      type="button"
      tabIndex={layer === proof.worstLayer ? 0 : -1}
      class={`proof-row${holds ? '' : ' off'}`}
      data-layer={layer}
      title={`layer ${layer}: ${words}`}
      onClick={() => onPick(layer)}
    >
      <span class="layer-name">
        <span class="sr-only">layer </span>
        {layer}
      </span>
      <span class="track">
        <span class="tolerance" style={{ left: `${100 * errorPlace(scale, proof.tolerance)}%` }} />
        {marks.map(({ part, error }) => (
          <span key={part} class={`mark ${part}`} style={{ left: `${100 * errorPlace(scale, error)}%` }} />
        ))}
      </span>
      <span class="number">{scientific(largest)}</span>
      <span class="sr-only">
        : {words}
        {holds ? '' : ', more than the tolerance'}
      </span>
    </button>
  );
}

/** The warning over a graph that is unreliable. */
export function ProofWarning({ store, proof }: { store: Store; proof: Proof }) {
  if (proof.holds) return null;
  return (
    <div class="banner error" role="alert" data-testid="proof-warning">
      <span>
        <b>The parts do not sum to the whole:</b> {PARTS[proof.worstPart]} {proof.worstLayer} is off by{' '}
        {scientific(proof.maxRelativeError)} of its norm (tolerance {scientific(proof.tolerance)}). This graph may not
        describe what the model computed: do not draw conclusions from it. The Lens view reads whole states, not parts,
        so it is unaffected.
      </span>
      <button type="button" class="link" onClick={() => goTo(store, proof.worstLayer)}>
        Go to layer {proof.worstLayer}
      </button>
    </div>
  );
}
