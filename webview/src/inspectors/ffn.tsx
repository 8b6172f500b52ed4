/** A feed-forward block at one position: its contribution, the tokens it promotes, and its neurons or experts. */
import type { FfnNeuronsResult, NeuronShare } from '../../../extension/shared/protocol';
import type { ComponentChildren } from 'preact';
import { useReply } from '../store/ask';
import { edgeNumbers, expertsIn } from '../words/describe';
import { nodeName, nodeRef, withDetail } from '../words/names';
import type { Store } from '../store/state';
import { activation, count, share } from '../words/words';
import { Experts } from './experts';
import { Effect } from './effect';
import { EFFECT_COLUMNS, useEffectColumn } from './effectColumn';
import { HelpMark } from './help';
import { Kind } from './kind';
import { LensLists, NormToggle } from './lens';
import { BarList, NoAnswer, Section, TokenLink, Waiting } from './parts';
import type { BarRow } from './parts';
import { usePromoted } from './promoted';

const NEURONS = 20;

interface Props {
  store: Store;
  layer: number;
  position: number;
}

export function FfnInspector({ store, layer, position }: Props) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  if (!analysis || !routes) return null;
  const source = nodeRef('M', layer, position);
  const numbers = edgeNumbers(analysis, routes, { kind: 'ffn', source, target: nodeRef('I', layer, position) });
  return (
    <>
      <Kind store={store}>{`feed-forward block, layer ${layer}`}</Kind>
      <h2 class="what">
        <TokenLink store={store} node={source} warm />
        <span class="where">position {position}</span>
      </h2>
      <Effect store={store} selection={nodeName(source)}>
        <p class="figures" data-testid="edge-figures">
          contribution <b>{share(numbers.contribution)}</b> of the residual after the layer{' '}
          <HelpMark store={store} topic="feed-forward-block" />
          <br />
          <NormToggle store={store} />
          {numbers.weight > 0 ? (
            <>
              flow <b>{share(numbers.flow)}</b> into the target
            </>
          ) : (
            'not on a kept route of this target'
          )}
        </p>
      </Effect>
      <LensLists store={store} node={nodeName(source)} />
      {expertsIn(analysis, layer) > 0 ? (
        <Experts store={store} layer={layer} position={position} />
      ) : (
        <Neurons store={store} layer={layer} position={position} />
      )}
    </>
  );
}

/** The neurons that contribute most; all of them, the residual and the bias sum to 1. */
function Neurons({ store, layer, position }: Props) {
  const reply = useReply(store, 'lmTransparency/ffnNeurons', { layer, position, topK: NEURONS });
  if (reply?.state === 'failed') return <NoAnswer store={store} title="Neurons" message={reply.message} />;
  if (reply?.state !== 'known') return <Waiting title="Neurons" rows={NEURONS} />;
  const { result } = reply;
  const block = nodeName(nodeRef('M', layer, position));
  return (
    <NeuronList store={store} of={block} neurons={result.neurons}>
      <p class="dim rest" data-testid="neuron-sum" title={sumTitle(result)}>
        {count(result.nNeurons)} neurons together {share(result.neuronsTotal)}, residual {share(result.residual)}, bias{' '}
        {share(result.bias)}
      </p>
    </NeuronList>
  );
}

interface NeuronListProps {
  store: Store;
  /** The block or expert that they are in. */
  of: string;
  neurons: NeuronShare[];
  /** What they sum to. */
  children: ComponentChildren;
}

export function NeuronList({ store, of, neurons, children }: NeuronListProps) {
  const unitOf = (entry: NeuronShare): string => withDetail(of, entry.neuron);
  const effects = useEffectColumn(store, neurons.map(unitOf));
  const ordered = effects.ordered(neurons, unitOf);
  const promoted = usePromoted(store, neurons.map(unitOf));
  return (
    <Section
      title="Neurons"
      store={store}
      help="neurons"
      table={{
        name: 'neurons',
        of,
        columns: ['neuron', 'activation', 'contribution', 'promotes', ...(effects.shown ? EFFECT_COLUMNS : [])],
        rows: () =>
          ordered.map((entry) => [
            ...[entry.neuron, entry.activation, entry.contribution],
            promoted.texts(unitOf(entry)).join(' '),
            ...effects.cells(unitOf(entry)),
          ]),
      }}
      aside={<span class="plain-note">{effects.shown && 'effect · '}contribution · activation</span>}
    >
      <BarList
        store={store}
        rows={neuronRows(ordered, of).map((row) => promoted.row(row.name ?? '', effects.row(row.name ?? '', row)))}
        testId="neurons"
      />
      {children}
    </Section>
  );
}

function neuronRows(neurons: NeuronShare[], block: string): BarRow[] {
  return neurons.map((entry) => ({
    key: `${entry.neuron}`,
    label: <span class="token">#{entry.neuron}</span>,
    value: entry.contribution,
    number: share(entry.contribution),
    note: <span class="note number">{activation(entry.activation)}</span>,
    title: `neuron ${entry.neuron}: contribution ${share(entry.contribution)}, activation ${activation(entry.activation)}`,
    name: withDetail(block, entry.neuron),
    ink: 'ffn',
    data: { 'data-neuron': entry.neuron },
  }));
}

function sumTitle({ nNeurons, nContributing, blockContribution }: FfnNeuronsResult): string {
  return (
    `Each neuron counted as a separate part: with the residual and the bias they sum to 1. ${count(nContributing)} of ` +
    `${count(nNeurons)} contribute; the others point away from the whole. As one part the block contributes ` +
    `${share(blockContribution)}: what its neurons cancel out among themselves is not counted there.`
  );
}
