/** The drawn routes as a list: strongest first, up to a limit. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ComponentChildren } from 'preact';
import { useSignal } from '@preact/signals';
import { figureAt } from '../effects/table';
import { inWords, labelAt, tokenClass } from '../words/describe';
import { baseOf, attentionEdge, edgeName, nodeName, nodeRef } from '../words/names';
import type { EdgeRef } from '../words/names';
import type { Analysis } from '../analysis/payload';
import { roving } from '../controls/roving';
import { edgeTable } from '../inspectors/node';
import { Section } from '../inspectors/parts';
import type { Routes } from '../routes/routes';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { count, share } from '../words/words';

const SHORT = 12;
const LONG = 200;

/** Indices of the `most` largest values among those given, largest first; only these are sorted. */
export function strongest(indices: ArrayLike<number>, value: (index: number) => number, most: number): number[] {
  let kept: number[] = [];
  let least = 0;
  const trim = (): void => {
    kept = kept.sort((a, b) => value(b) - value(a)).slice(0, most);
    if (kept.length === most) least = value(kept[most - 1]!);
  };
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (value(index) <= least) continue;
    kept.push(index);
    if (kept.length >= 4 * most) trim();
  }
  trim();
  return kept;
}

export function RoutesList({ store }: { store: Store }) {
  const long = useSignal(false);
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  if (!analysis || !routes || routes.mass.length !== analysis.columns.ffn.length + analysis.meta.tokens.length)
    return null;
  const most = long.value ? LONG : SHORT;
  const kept = strongest(crossEdges(analysis, routes), (i) => routes.keptFlow[i]!, most);
  const edges = kept.map((i) => routes.kept[i]!);
  const nTokens = analysis.meta.tokens.length;
  const nodes = strongest(
    long.value ? allNodes(routes, nTokens) : topNodes(routes, nTokens),
    (row) => routes.mass[row]!,
    most,
  );
  return (
    <>
      <Section
        title="Strongest routes"
        store={store}
        help="strongest-routes"
        table={edgeTable(
          'routes',
          undefined,
          analysis,
          routes,
          edges.map((e) => edgeRef(analysis, e)),
        )}
      >
        <ul role="list" class="routes" onKeyDown={roving}>
          {edges.map((e, index) => (
            <EdgeRow
              key={e}
              store={store}
              analysis={analysis}
              routes={routes}
              edge={e}
              flow={routes.keptFlow[kept[index]!]!}
              first={index === 0}
              most={routes.keptFlow[kept[0]!]!}
            />
          ))}
        </ul>
        {edges.length === 0 && <p class="dim">No edge between different tokens is above the threshold.</p>}
        {routes.crossEdges > SHORT && (
          <button type="button" class="link" aria-expanded={long.value} onClick={() => (long.value = !long.value)}>
            {long.value
              ? 'Show fewer'
              : `Show ${routes.crossEdges > LONG ? `${LONG} of ${count(routes.crossEdges)}` : `all ${routes.crossEdges}`}`}
          </button>
        )}
      </Section>
      {nodes.length > 0 && (
        <Section
          title={long.value ? 'Nodes' : 'Last node of each token'}
          store={store}
          table={nodeTable(analysis, routes, nodes)}
        >
          <ul role="list" class="routes" onKeyDown={roving}>
            {nodes.map((row, index) => (
              <NodeRow
                key={row}
                store={store}
                analysis={analysis}
                routes={routes}
                row={row}
                first={index === 0}
                most={routes.mass[nodes[0]!]!}
              />
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

function edgeRef(analysis: Analysis, edge: number): EdgeRef {
  const { edgeLayer, edgeQuery, edgeKey } = analysis.columns;
  return attentionEdge(edgeLayer[edge]!, edgeQuery[edge]!, edgeKey[edge]!, analysis.meta.model.parallel);
}

function nodeTable(analysis: Analysis, routes: Routes, rows: number[]): Table {
  const nTokens = analysis.meta.tokens.length;
  return {
    name: 'nodes',
    columns: ['node', 'layer', 'position', 'token', 'flow'],
    rows: () =>
      rows.map((row) => {
        const node = nodeRef('I', Math.floor(row / nTokens) - 1, row % nTokens);
        const layer = node.letter === 'X' ? -1 : node.layer;
        const text = analysis.meta.tokens[node.position]?.text ?? '';
        return [nodeName(node), layer, node.position, text, routes.mass[row]!];
      }),
  };
}

/** Those between different tokens, as indices into the kept edges. */
function crossEdges(analysis: Analysis, { kept, crossEdges }: Routes): Uint32Array {
  const { edgeKey, edgeQuery } = analysis.columns;
  const found = new Uint32Array(crossEdges);
  for (let i = 0, n = 0; i < kept.length; i++) if (edgeKey[kept[i]!] !== edgeQuery[kept[i]!]) found[n++] = i;
  return found;
}

/** Rows of `mass`: every residual node, without the embeddings. */
function allNodes(routes: Routes, nTokens: number): number[] {
  return Array.from({ length: routes.mass.length - nTokens }, (_, i) => i + nTokens);
}

/** The highest reached node of each token but the target. */
function topNodes(routes: Routes, nTokens: number): number[] {
  const rows: number[] = [];
  for (let t = 0; t < nTokens; t++) {
    let row = routes.mass.length - nTokens + t;
    while (row >= nTokens && !routes.reached[row]) row -= nTokens;
    if (row >= 0 && t !== routes.target) rows.push(row);
  }
  return rows;
}

interface RowProps {
  store: Store;
  analysis: Analysis;
  routes: Routes;
  first: boolean;
}

function EdgeRow({
  store,
  analysis,
  routes,
  edge,
  flow,
  first,
  most,
}: RowProps & { edge: number; flow: number; most: number }) {
  const { edgeLayer, edgeKey, edgeQuery } = analysis.columns;
  const name = edgeName(edgeRef(analysis, edge));
  return (
    <Row
      store={store}
      name={name}
      label={inWords(analysis, routes, name, figureAt(store.causes.known.value, name))}
      first={first}
      flow={flow}
      most={most}
    >
      <bdi class={tokenClass(analysis, edgeKey[edge]!)}>{labelAt(analysis, edgeKey[edge]!)}</bdi> →{' '}
      <bdi class={tokenClass(analysis, edgeQuery[edge]!)}>{labelAt(analysis, edgeQuery[edge]!)}</bdi>
      <span class="dim"> L{edgeLayer[edge]}</span>
    </Row>
  );
}

function NodeRow({ store, analysis, routes, row, first, most }: RowProps & { row: number; most: number }) {
  const nTokens = analysis.meta.tokens.length;
  const node = nodeRef('I', Math.floor(row / nTokens) - 1, row % nTokens);
  const name = nodeName(node);
  return (
    <Row
      store={store}
      name={name}
      label={inWords(analysis, routes, name)}
      first={first}
      flow={routes.mass[row]!}
      most={most}
    >
      <bdi class={tokenClass(analysis, node.position)}>{labelAt(analysis, node.position)}</bdi>
      <span class="dim"> {node.letter === 'X' ? 'embedding' : `L${node.layer}`}</span>
    </Row>
  );
}

interface LineProps {
  store: Store;
  name: string;
  label: string;
  first: boolean;
  flow: number;
  most: number;
  children: ComponentChildren;
}

function Row({ store, name, label, first, flow, most, children }: LineProps) {
  const selection = store.selection.value;
  const selected = selection !== null && baseOf(selection) === name;
  return (
    <li>
      <button
        type="button"
        tabIndex={first ? 0 : -1}
        class={`route${selected ? ' selected' : ''}`}
        data-name={name}
        title={label}
        aria-pressed={selected}
        onClick={() => store.select(name)}
        onFocus={() => (store.hover.value = name)}
        onBlur={() => (store.hover.value = null)}
        onPointerEnter={() => (store.hover.value = name)}
        onPointerLeave={() => (store.hover.value = null)}
      >
        <span class="text">
          <span class="fill" style={{ width: `${(flow / most) * 100}%` }} />
          <span class="words">{children}</span>
        </span>
        <span class="number">{share(flow)}</span>
      </button>
    </li>
  );
}
