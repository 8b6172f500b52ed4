/** An edge: how much, and by which heads. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { useSignal } from '@preact/signals';
import { attentionIndex, edgeNumbers } from '../describe';
import type { EdgeRef } from '../names';
import type { Analysis } from '../payload';
import type { Store } from '../state';
import { share } from '../words';
import { Kind } from './inspector';
import { LensLists } from './lens';
import { ContributionMap, mapFits } from './map';
import { BarList, Section, TokenLink } from './parts';
import type { BarRow } from './parts';

const KINDS = {
  attention: 'attention edge',
  residual: 'residual edge',
  ffn: 'feed-forward block',
  bias: 'attention bias',
};

export function EdgeInspector({ store, edge }: { store: Store; edge: EdgeRef }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  if (!analysis || !routes) return null;
  const numbers = edgeNumbers(analysis, routes, edge);
  const whole = edge.target.letter === 'A' ? 'residual after attention' : 'residual after the layer';
  const between = edge.kind === 'attention' || edge.kind === 'residual';
  return (
    <>
      <Kind store={store}>{KINDS[edge.kind]}</Kind>
      <h2 class="what">
        <TokenLink store={store} node={edge.source} warm />
        {between && <span class="arrow"> → </span>}
        {between && <TokenLink store={store} node={edge.target} />}
        <span class="where">{where(edge)}</span>
      </h2>
      <p class="figures" data-testid="edge-figures">
        contribution <b>{share(numbers.contribution)}</b> of the {whole}
        <br />
        {numbers.weight > 0 ? (
          <>
            flow <b>{share(numbers.flow)}</b> into the target
          </>
        ) : (
          'not on a kept route of this target'
        )}
      </p>
      {edge.kind === 'attention' && (
        <Heads
          key={edge.target.layer}
          store={store}
          analysis={analysis}
          edge={edge}
          contribution={numbers.contribution}
        />
      )}
      {edge.kind === 'ffn' && <LensLists store={store} node={`M${edge.target.layer}_${edge.target.position}`} />}
    </>
  );
}

function where(edge: EdgeRef): string {
  const { layer } = edge.target;
  if (edge.kind === 'attention') return `layer ${layer} · key ${edge.source.position} · query ${edge.target.position}`;
  if (edge.kind === 'residual')
    return `layer ${layer}, past ${edge.source.letter === 'A' ? 'feed-forward' : 'attention'}`;
  return `layer ${layer} · position ${edge.target.position}`;
}

interface HeadsProps {
  store: Store;
  analysis: Analysis;
  edge: EdgeRef;
  contribution: number;
}

/** The heads of an attention edge, largest first; those at or under the threshold are faint. */
function Heads({ store, analysis, edge, contribution }: HeadsProps) {
  const chosen = useSignal<number | null>(null);
  const { headOffset, headIndex, headWeight } = analysis.columns;
  const { layer } = edge.target;
  const index = attentionIndex(analysis, edge.target.layer, edge.target.position, edge.source.position);
  if (index < 0) return <p class="dim">No head of this edge is above the floor of {analysis.meta.floor}.</p>;
  const tau = store.renormalize.value ? Math.fround(store.tau.value) : 0;
  let listed = 0;
  const rows: BarRow[] = [];
  for (let i = headOffset[index]!; i < headOffset[index + 1]!; i++) {
    const value = headWeight[i]!;
    const head = headIndex[i]!;
    listed += value;
    const dropped = value <= tau;
    const title = `layer ${layer}, head ${head}: contribution ${share(value)}${dropped ? ', under the threshold' : ''}`;
    rows.push({
      key: `h${head}`,
      label: `H${head}`,
      value,
      number: share(value),
      title,
      faint: dropped,
      selected: chosen.value === head,
      onPick: () => (chosen.value = chosen.value === head ? null : head),
    });
  }
  rows.sort((a, b) => b.value - a.value);
  const rest = contribution - listed;
  return (
    <>
      <Section title="Heads">
        <BarList store={store} rows={rows} testId="heads" />
        {rest > 0.0005 && (
          <p class="dim rest">
            {rows.length < analysis.meta.model.nHeads ? `${analysis.meta.model.nHeads - rows.length} others` : 'others'}{' '}
            together {share(rest)}
          </p>
        )}
      </Section>
      {mapFits(analysis.meta.tokens.length) && (
        <Section title={`Layer ${layer}${chosen.value === null ? '' : ` head ${chosen.value}`} · contribution`}>
          <ContributionMap
            store={store}
            analysis={analysis}
            layer={layer}
            query={edge.target.position}
            position={edge.source.position}
            head={chosen.value}
          />
        </Section>
      )}
    </>
  );
}
