/** A node: its top tokens, what feeds it, what it feeds. */
import { edgeNumbers, edgesInto, edgesOutOf, labelAt, nodeMass, nodeTitle } from '../describe';
import { edgeName, nodeName } from '../names';
import type { EdgeRef, NodeRef } from '../names';
import type { Analysis } from '../payload';
import type { Routes } from '../routes/routes';
import type { Store } from '../state';
import { share } from '../words';
import { Kind } from './inspector';
import { LensLists } from './lens';
import { BarList, Section, TokenLink } from './parts';
import type { BarRow } from './parts';

const ROWS = 8;

export function NodeInspector({ store, node }: { store: Store; node: NodeRef }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  if (!analysis || !routes) return null;
  const mass = nodeMass(analysis, routes, node);
  const into = edgesInto(analysis, node);
  const out = edgesOutOf(analysis, routes, node);
  return (
    <>
      <Kind store={store}>{nodeTitle(node)}</Kind>
      <h2 class="what">
        <TokenLink store={store} node={node} warm />
        <span class="where">position {node.position}</span>
      </h2>
      <p class="figures">
        {mass > 0 ? (
          <>
            flow <b>{share(mass)}</b> of the target's mass passes here
          </>
        ) : (
          'not on a kept route of this target'
        )}
      </p>
      {node.letter !== 'B' && <LensLists store={store} node={nodeName(node)} />}
      {into.length > 1 && (
        <Section title="Made of">
          <BarList
            store={store}
            rows={into.slice(0, ROWS).map((edge) => row(analysis, routes, edge, 'source'))}
            testId="made-of"
          />
        </Section>
      )}
      {out.length > 0 && (
        <Section title="Feeds">
          <BarList
            store={store}
            rows={out.slice(0, ROWS).map((edge) => row(analysis, routes, edge, 'target'))}
            testId="feeds"
          />
        </Section>
      )}
    </>
  );
}

const WORDS = { attention: '', residual: 'residual', ffn: 'feed-forward', bias: 'bias' };

/** Parts show their contribution, uses their flow. */
function row(analysis: Analysis, routes: Routes, edge: EdgeRef, end: 'source' | 'target'): BarRow {
  const { contribution, weight, flow } = edgeNumbers(analysis, routes, edge);
  const name = edgeName(edge);
  const other = edge[end];
  const label =
    edge.kind === 'attention' ? <bdi class="token">{labelAt(analysis, other.position)}</bdi> : WORDS[edge.kind];
  const value = end === 'source' ? contribution : flow;
  return {
    key: name,
    label,
    value,
    number: share(value),
    title: `${edge.kind} edge, contribution ${share(contribution)}, flow ${share(flow)}`,
    faint: weight === 0,
    name,
    ink: edge.kind,
  };
}
