/** One neuron: how active it is here and at the other tokens, and what it writes. */
import { useEffect, useRef } from 'preact/hooks';
import type { NeuronResult } from '../../../extension/shared/protocol';
import { useLatest } from '../ask';
import { roving } from '../controls/roving';
import { labelAt, tokenClass } from '../describe';
import { nodeName, nodeRef, withDetail } from '../names';
import type { Analysis } from '../payload';
import type { Store } from '../state';
import { activation, share } from '../words';
import { Kind } from './kind';
import { NormToggle, UpdateLists } from './lens';
import { NoAnswer, Section, TokenLink, Waiting } from './parts';

const TOKENS = 15;

interface Props {
  store: Store;
  layer: number;
  position: number;
  neuron: number;
}

const neuronName = (layer: number, position: number, neuron: number): string =>
  withDetail(nodeName(nodeRef('M', layer, position)), neuron);

export function NeuronInspector({ store, layer, position, neuron }: Props) {
  const asked = { layer, neuron, position, topK: TOKENS, normalize: store.lensNormalized.value };
  const { reply, latest } = useLatest(store, 'lmTransparency/neuron', asked);
  const analysis = store.analysis.value;
  if (!analysis) return null;
  // activations at all positions are the same from each of them; the rest belongs to one
  const same = latest?.neuron === neuron && latest.layer === layer ? latest : null;
  const here = same?.position === position ? same : null;
  return (
    <>
      <Kind store={store}>{`neuron, feed-forward block of layer ${layer}`}</Kind>
      <h2 class="what">
        <span class="token warm">#{neuron}</span>
        <span class="arrow"> at </span>
        <TokenLink store={store} node={nodeRef('M', layer, position)} stop />
        <span class="where">position {position}</span>
      </h2>
      {reply?.state === 'failed' && <NoAnswer store={store} title="Neuron" message={reply.message} />}
      {reply?.state !== 'failed' && <Figures store={store} result={here} />}
      {same && <Positions store={store} analysis={analysis} result={same} position={position} />}
      {here && (
        <UpdateLists
          store={store}
          of={neuronName(layer, position, neuron)}
          promoted={here.promoted}
          suppressed={here.suppressed}
          prefix="neuron-"
          help="neuron"
        />
      )}
      {!here && reply?.state === 'asking' && <Waiting title="Promotes" rows={8} />}
    </>
  );
}

function Figures({ store, result }: { store: Store; result: NeuronResult | null }) {
  return (
    <p class="figures">
      <NormToggle store={store} />
      activation{' '}
      <b data-testid="neuron-activation" data-value={result?.activation}>
        {result ? activation(result.activation) : '…'}
      </b>
      <br />
      contribution <b>{result ? share(result.contribution) : '…'}</b> of the residual after the layer
      {result && result.activation < 0 && (
        <>
          <br />
          negative: it writes the opposite of its output vector
        </>
      )}
    </p>
  );
}

interface PositionsProps {
  store: Store;
  analysis: Analysis;
  result: NeuronResult;
  position: number;
}

/** A bar a token, up where the neuron is positive, down where it is negative. */
function Positions({ store, analysis, result, position }: PositionsProps) {
  const strip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    strip.current?.querySelector('[aria-pressed="true"]')?.scrollIntoView?.({ block: 'nearest', inline: 'nearest' });
  }, [position]);
  const { layer, neuron, activations } = result;
  const highest = Math.max(0, ...activations);
  const lowest = Math.min(0, ...activations);
  const range = Math.max(1e-12, highest - lowest);
  const wordsAt = (at: number): string =>
    `${labelAt(analysis, at)} at position ${at}: activation ${activation(activations[at] ?? 0)}`;
  return (
    <Section
      title="Over the prompt"
      store={store}
      help="activation"
      table={{
        name: 'neuron-positions',
        of: `L${layer}#${neuron}`,
        columns: ['position', 'token', 'activation'],
        rows: () => activations.map((value, at) => [at, analysis.meta.tokens[at]?.text ?? '', value]),
      }}
      aside={
        <span class="plain-note">
          {activation(lowest)} … {activation(highest)}
        </span>
      }
    >
      <div
        ref={strip}
        class="strip"
        role="group"
        aria-label="Activation at every token"
        data-testid="neuron-positions"
        onKeyDown={roving}
        style={{ '--zero': `${(highest / range) * 100}%` }}
      >
        {activations.map((value, at) => (
          <button
            key={at}
            type="button"
            class={at === position ? 'here' : ''}
            tabIndex={at === position ? 0 : -1}
            data-position={at}
            aria-pressed={at === position}
            aria-label={wordsAt(at)}
            title={wordsAt(at)}
            onClick={() => store.select(neuronName(layer, at, neuron))}
          >
            <bdi class={tokenClass(analysis, at)}>{labelAt(analysis, at)}</bdi>
            <span class="column">
              <span
                class={`bar${value < 0 ? ' negative' : ''}`}
                style={{
                  top: `${((highest - Math.max(0, value)) / range) * 100}%`,
                  height: `${(Math.abs(value) / range) * 100}%`,
                }}
              />
            </span>
          </button>
        ))}
      </div>
    </Section>
  );
}
