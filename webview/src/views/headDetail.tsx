/** The selected head: its five scores, and the kept edges that it carries. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { useMemo } from 'preact/hooks';
import { roving } from '../controls/roving';
import { labelAt } from '../words/describe';
import { attentionEdgeName, withDetail } from '../words/names';
import type { Routes, RouteSource } from '../routes/routes';
import type { HeadRef } from '../routes/headTotals';
import type { Store } from '../store/state';
import { share } from '../words/words';
import { headName } from './headGrid';
import { numberText, numberTitle } from './headNumbers';
import type { HeadNumbers } from './headNumbers';
import { STRONG, TAG_HELP, TAG_WORDS } from './headTags';
import type { TagTable } from './headTags';
import { strongestEdges } from '../routes/headTotals';
import type { HeadEdge } from '../routes/headTotals';

const MOST = 6;

interface Props {
  store: Store;
  source: RouteSource;
  routes: Routes;
  numbers: HeadNumbers;
  tags: TagTable | null;
}

export function HeadDetail({ store, source, routes, numbers, tags }: Props) {
  const head = store.headFilter.value;
  const edges = useMemo(() => (head ? strongestEdges(source, routes, head, MOST) : []), [source, routes, head]);
  if (!head) {
    return (
      <div class="head-detail">
        <p class="dim">
          Click a head: its measured scores and strongest edges are listed here, and Routes shows only its edges.
        </p>
      </div>
    );
  }
  return (
    <div class="head-detail" data-testid="head-detail">
      <section>
        <h3>
          {headName(head)}{' '}
          <span class="dim">
            {numbers.ink === 'effect' ? numberTitle(numbers, head) : numbers.ink} {numberText(numbers, head)}
          </span>
        </h3>
        {tags && <Scores head={head} tags={tags} />}
      </section>
      <section>
        <h3>Strongest edges</h3>
        <ul class="routes" role="list" onKeyDown={roving}>
          {edges.map((entry, index) => (
            <Edge key={entry.edge} store={store} head={head} entry={entry} first={index === 0} most={edges[0]!.flow} />
          ))}
        </ul>
        {edges.length === 0 && <p class="dim">This head has no edge above the threshold.</p>}
      </section>
    </div>
  );
}

function Scores({ head, tags }: { head: HeadRef; tags: TagTable }) {
  return (
    <ul class="scores" role="list">
      {tags.of(head).map(({ tag, score }) => (
        <li
          key={tag}
          class={score >= STRONG ? 'strong' : ''}
          title={`${TAG_HELP[tag]}, over ${tags.nTokens} random tokens given twice`}
        >
          <span class="label">{TAG_WORDS[tag]}</span>
          <span class="track">
            <span class="fill" style={{ width: `${Math.min(1, Math.max(0, score)) * 100}%` }} />
          </span>
          <span class="number">{score.toFixed(2)}</span>
        </li>
      ))}
    </ul>
  );
}

interface EdgeProps {
  store: Store;
  head: HeadRef;
  entry: HeadEdge;
  first: boolean;
  most: number;
}

function Edge({ store, head, entry, first, most }: EdgeProps) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const { edgeKey, edgeQuery } = analysis.columns;
  const [key, query] = [edgeKey[entry.edge]!, edgeQuery[entry.edge]!];
  const name = withDetail(attentionEdgeName(head.layer, query, key, analysis.meta.model.parallel), head.head);
  const [from, to] = [labelAt(analysis, key), labelAt(analysis, query)];
  const figures = `contribution ${share(entry.contribution)}, flow ${share(entry.flow)}`;
  return (
    <li>
      <button
        type="button"
        tabIndex={first ? 0 : -1}
        class={`route${store.selection.value === name ? ' selected' : ''}`}
        data-name={name}
        aria-label={`${headName(head)} from '${from}' to '${to}', ${figures}`}
        aria-pressed={store.selection.value === name}
        title={figures}
        onClick={() => store.select(name)}
        onPointerEnter={() => (store.hover.value = name)}
        onPointerLeave={() => (store.hover.value = null)}
      >
        <span class="text">
          <span class="fill" style={{ width: `${(entry.flow / most) * 100}%` }} />
          <span class="words">
            <bdi class="token">{from}</bdi> → <bdi class="token">{to}</bdi>
          </span>
        </span>
        <span class="number">{share(entry.flow)}</span>
      </button>
    </li>
  );
}
