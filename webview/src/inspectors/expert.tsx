/** One expert of a feed-forward block: when it is chosen, what it writes here, and its neurons. */
import type { ExpertResult } from '../../../extension/shared/protocol';
import { useLatest } from '../store/ask';
import { roving } from '../controls/roving';
import { expertTitle } from '../words/describe';
import { nodeName, nodeRef, withExpert } from '../words/names';
import type { Store } from '../store/state';
import { count, share } from '../words/words';
import { NeuronList } from './ffn';
import { Effect } from './effect';
import { Kind } from './kind';
import { NormToggle, UpdateLists } from './lens';
import { NoAnswer, TokenLink, Waiting } from './parts';
import { Strip } from './strip';

const TOKENS = 15;
const NEURONS = 20;

interface Props {
  store: Store;
  layer: number;
  position: number;
  expert: string;
}

const nameOf = ({ layer, position, expert }: Omit<Props, 'store'>): string =>
  withExpert(nodeName(nodeRef('M', layer, position)), expert);

export function ExpertInspector({ store, layer, position, expert }: Props) {
  const asked = { layer, expert, position, topK: TOKENS, neuronsK: NEURONS, ...store.lenses.reading.value };
  const { reply, latest } = useLatest(store, 'lmTransparency/expert', asked);
  // the gates are the same from every position; the rest belongs to one
  const same = latest?.expert === expert && latest.layer === layer ? latest : null;
  const here = same?.position === position ? same : null;
  const name = nameOf({ layer, position, expert });
  return (
    <>
      <Kind store={store}>{`${expertTitle(expert)}, feed-forward block of layer ${layer}`}</Kind>
      <h2 class="what">
        <span class="token warm">{expertTitle(expert)}</span>
        <span class="arrow"> at </span>
        <TokenLink store={store} node={nodeRef('M', layer, position)} stop />
        <span class="where">position {position}</span>
      </h2>
      {reply?.state === 'failed' && <NoAnswer store={store} title="Expert" message={reply.message} />}
      <Effect store={store} selection={name}>
        {reply?.state !== 'failed' && <Figures store={store} result={here} />}
      </Effect>
      {same && (
        <Strip
          store={store}
          values={same.gates}
          position={position}
          what="gate"
          written={share}
          help="gate"
          testId="expert-positions"
          of={`L${layer}@${expert}`}
          nameAt={(at) => nameOf({ layer, position: at, expert })}
        />
      )}
      {here && <UpdateLists store={store} of={name} update={here.update} prefix="expert-" help="expert" />}
      {here && here.neurons.length > 0 && (
        <NeuronList store={store} of={name} neurons={here.neurons}>
          <p class="dim rest" data-testid="neuron-sum" title={sumTitle(here)}>
            {count(here.nNeurons)} neurons together {share(here.neuronsTotal)}, other experts {share(here.others)},
            residual {share(here.residual)}, bias {share(here.bias)}
          </p>
        </NeuronList>
      )}
      {!here && reply?.state === 'asking' && <Waiting title="Promotes" rows={8} />}
    </>
  );
}

function Figures({ store, result }: { store: Store; result: ExpertResult | null }) {
  const idle = result?.gate === 0;
  return (
    <>
      <p class="figures">
        <NormToggle store={store} />
        gate{' '}
        <b data-testid="expert-gate" data-value={result?.gate}>
          {result ? share(result.gate) : '…'}
        </b>
        <br />
        {idle ? (
          'not chosen at this token: it writes nothing here'
        ) : (
          <>
            contribution <b>{result ? share(result.contribution) : '…'}</b> of the residual after the layer
          </>
        )}
      </p>
      {result !== null && result.notice !== null && (
        <p class="unsure" role="alert" data-testid="expert-notice">
          {result.notice}
        </p>
      )}
    </>
  );
}

function sumTitle({ nNeurons, nContributing, contribution }: ExpertResult): string {
  return (
    'Each neuron of this expert counted as a separate part, beside the other experts: with the residual and the bias they ' +
    `sum to 1. ${count(nContributing)} of ${count(nNeurons)} contribute; the others point away from the whole. As one ` +
    `part the expert contributes ${share(contribution)}.`
  );
}

/** The expert that something is in; selects it. */
export function ExpertLink({ store, layer, position, expert }: Props) {
  const name = nameOf({ layer, position, expert });
  return (
    <button
      type="button"
      tabIndex={-1}
      class="token-link"
      title={`${name}: select this expert`}
      onClick={() => store.select(name)}
      onKeyDown={(event) => roving(event, event.currentTarget.closest<HTMLElement>('.what'))}
    >
      <span class="token">{expertTitle(expert)}</span>
    </button>
  );
}
