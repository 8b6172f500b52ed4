/** A node: its top tokens, what feeds it, what it feeds. */
import { MIXER, edgeNumbers, edgesInto, edgesOutOf, labelAt, nodeMass, nodeTitle, tokenClass } from '../words/describe';
import { edgeName, nodeName } from '../words/names';
import type { EdgeRef, NodeRef } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Routes } from '../routes/routes';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { share } from '../words/words';
import { Effect } from './effect';
import { GroupEffect } from './groupEffect';
import { Kind } from './kind';
import { LensLists } from './lens';
import { BarList, Section, TokenLink } from './parts';
import type { BarRow } from './parts';

const FIRST = 8;

export function NodeInspector({ store, node }: { store: Store; node: NodeRef }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  if (!analysis || !routes) return null;
  const name = nodeName(node);
  const mass = nodeMass(analysis, routes, node);
  const into = edgesInto(analysis, node);
  const out = edgesOutOf(analysis, routes, node);
  return (
    <>
      <Kind store={store}>{nodeTitle(node, analysis.meta.layerKinds)}</Kind>
      <h2 class="what">
        <TokenLink store={store} node={node} warm />
        <span class="where">position {node.position}</span>
      </h2>
      <Effect store={store} selection={name}>
        {node.letter === 'X' && <GroupEffect store={store} position={node.position} />}
        <p class="figures">
          {mass > 0 ? (
            <>
              flow <b>{share(mass)}</b> of the target's mass passes here
            </>
          ) : (
            'not on a kept route of this target'
          )}
        </p>
      </Effect>
      {node.letter !== 'B' && <LensLists store={store} node={name} />}
      {into.length > 1 && (
        <Section
          title="Made of"
          store={store}
          help="made-of"
          table={edgeTable('made-of', name, analysis, routes, into)}
        >
          <BarList
            key={name}
            store={store}
            rows={into.map((edge) => row(analysis, routes, edge, 'source'))}
            testId="made-of"
            first={FIRST}
          />
        </Section>
      )}
      {out.length > 0 && (
        <Section title="Feeds" store={store} help="feeds" table={edgeTable('feeds', name, analysis, routes, out)}>
          <BarList
            key={name}
            store={store}
            rows={out.map((edge) => row(analysis, routes, edge, 'target'))}
            testId="feeds"
            first={FIRST}
          />
        </Section>
      )}
    </>
  );
}

const WORDS = { attention: '', residual: 'residual', ffn: 'feed-forward', bias: 'bias', mixer: 'mixer' };

/** Parts show their contribution, uses their flow. */
function row(analysis: Analysis, routes: Routes, edge: EdgeRef, end: 'source' | 'target'): BarRow {
  const { contribution, weight, flow } = edgeNumbers(analysis, routes, edge);
  const name = edgeName(edge);
  const other = edge[end];
  const label =
    edge.kind === 'attention' ? (
      <bdi class={tokenClass(analysis, other.position)}>{labelAt(analysis, other.position)}</bdi>
    ) : (
      WORDS[edge.kind]
    );
  const value = end === 'source' ? contribution : flow;
  return {
    key: name,
    label,
    value,
    number: share(value),
    title: `${edge.kind === 'mixer' ? MIXER : edge.kind} edge, contribution ${share(contribution)}, flow ${share(flow)}`,
    faint: weight === 0,
    name,
    ink: edge.kind,
  };
}

export function edgeTable(
  name: string,
  of: string | undefined,
  analysis: Analysis,
  routes: Routes,
  edges: EdgeRef[],
): Table {
  const text = (node: NodeRef): string => analysis.meta.tokens[node.position]?.text ?? '';
  return {
    name,
    of,
    columns: ['kind', 'source', 'source_token', 'target', 'target_token', 'contribution', 'weight', 'flow'],
    rows: () =>
      edges.map((edge) => {
        const { contribution, weight, flow } = edgeNumbers(analysis, routes, edge);
        const ends = [edge.source, edge.target].flatMap((node) => [nodeName(node), text(node)]);
        return [edge.kind, ...ends, contribution, weight, flow];
      }),
  };
}
