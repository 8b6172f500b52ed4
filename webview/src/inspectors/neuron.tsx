/** One neuron: how active it is here and at the other tokens, and what it writes. */
import type { NeuronResult } from '../../../extension/shared/protocol';
import { useLatest } from '../store/ask';
import { expertTitle } from '../words/describe';
import { nodeName, nodeRef, withDetail, withExpert } from '../words/names';
import type { Store } from '../store/state';
import { activation, share } from '../words/words';
import { Effect } from './effect';
import { Kind } from './kind';
import { NormToggle, UpdateLists } from './lens';
import { ExpertLink } from './expert';
import { NoAnswer, TokenLink, Waiting } from './parts';
import { Strip } from './strip';

const TOKENS = 15;

interface Props {
  store: Store;
  layer: number;
  position: number;
  /** Whose neuron it is, in a block with experts. */
  expert: string | null;
  neuron: number;
}

export function NeuronInspector({ store, layer, position, expert, neuron }: Props) {
  const asked = { layer, neuron, position, topK: TOKENS, ...store.lenses.reading.value, expert };
  const { reply, latest } = useLatest(store, 'lmTransparency/neuron', asked);
  const analysis = store.analysis.value;
  if (!analysis) return null;
  // activations at all positions are the same from each of them; the rest belongs to one
  const same = latest?.share.neuron === neuron && latest.layer === layer && latest.expert === expert ? latest : null;
  const here = same?.position === position ? same : null;
  const block = (at: number): string => nodeName(nodeRef('M', layer, at));
  const nameAt = (at: number): string =>
    withDetail(expert === null ? block(at) : withExpert(block(at), expert), neuron);
  return (
    <>
      <Kind store={store}>
        {expert === null
          ? `neuron, feed-forward block of layer ${layer}`
          : `neuron of ${expertTitle(expert)}, layer ${layer}`}
      </Kind>
      <h2 class="what">
        <span class="token warm">#{neuron}</span>
        {expert !== null && (
          <>
            <span class="arrow"> of </span>
            <ExpertLink store={store} layer={layer} position={position} expert={expert} />
          </>
        )}
        <span class="arrow"> at </span>
        <TokenLink store={store} node={nodeRef('M', layer, position)} stop />
        <span class="where">position {position}</span>
      </h2>
      {reply?.state === 'failed' && <NoAnswer store={store} title="Neuron" message={reply.message} />}
      <Effect store={store} selection={nameAt(position)}>
        {reply?.state !== 'failed' && <Figures store={store} result={here} />}
      </Effect>
      {same && (
        <Strip
          store={store}
          values={same.activations}
          position={position}
          what="activation"
          written={activation}
          help="activation"
          testId="neuron-positions"
          of={`L${layer}${expert === null ? '' : `@${expert}`}#${neuron}`}
          nameAt={nameAt}
        />
      )}
      {here && <UpdateLists store={store} of={nameAt(position)} update={here.update} prefix="neuron-" help="neuron" />}
      {!here && reply?.state === 'asking' && <Waiting title="Promotes" rows={8} />}
    </>
  );
}

function Figures({ store, result }: { store: Store; result: NeuronResult | null }) {
  return (
    <p class="figures">
      <NormToggle store={store} />
      activation{' '}
      <b data-testid="neuron-activation" data-value={result?.share.activation}>
        {result ? activation(result.share.activation) : '…'}
      </b>
      <br />
      contribution <b>{result ? share(result.share.contribution) : '…'}</b> of the residual after the layer
      {result && result.share.activation < 0 && (
        <>
          <br />
          negative: it writes the opposite of its output vector
        </>
      )}
    </p>
  );
}
