/** The node or edge under the pointer, in two numbers. */
import type { ComponentChildren } from 'preact';
import type { ReadonlySignal } from '@preact/signals';
import { MIXER, MIXER_NOTE, edgeNumbers, labelAt, nodeMass, nodeTitle, tokenClass } from '../words/describe';
import { parseEdge, parseNode } from '../words/names';
import { figureAt } from '../effects/table';
import type { Store } from '../store/state';
import { sizeOf } from '../groups/grouping';
import type { Shown } from '../groups/shown';
import { groupText, joinedMark, spanOf } from '../groups/words';
import type { JoinedMark } from '../groups/words';
import { count, share } from '../words/words';
import { Tip } from '../layout/tip';
import { EffectFigure, JoinedEffect, noteFor } from './effectTip';

/** The pointer's position in the window, and what is under it. */
export interface PointedAt {
  x: number;
  y: number;
  name: string;
}

interface Props {
  pointer: ReadonlySignal<PointedAt | null>;
  tip: (name: string) => ComponentChildren;
}

export function Tooltip({ pointer, tip }: Props) {
  const at = pointer.value;
  return (
    at && (
      <Tip x={at.x} y={at.y}>
        {tip(at.name)}
      </Tip>
    )
  );
}

/** A node or an edge of the routes; for groups, their sum and the strongest member. */
export function RouteTip({ store, name }: { store: Store; name: string }) {
  const shown = store.shown.value;
  const joined = shown && joinedMark(shown, name);
  if (joined) return <JoinedTip shown={shown} name={name} joined={joined} />;
  return (
    <>
      <Title store={store} name={name} />
      <EffectFigure store={store} name={name} />
      <Figures store={store} name={name} />
      {parseEdge(name)?.kind === 'mixer' && <div class="note">{MIXER_NOTE}</div>}
      <div class="note">{noteFor(figureAt(store.causes.known.value, name))}</div>
    </>
  );
}

function JoinedTip({ shown, name, joined }: { shown: Shown; name: string; joined: JoinedMark }) {
  const { analysis, columns, routes, ink } = shown;
  const { edge, members, value } = joined;
  const flow = ink === 'flow';
  const at = (position: number) => {
    const [first, end] = spanOf(columns, columns.of[position] ?? 0);
    if (end - first === 1) return <bdi class={tokenClass(analysis, position)}>{labelAt(analysis, position)}</bdi>;
    return <bdi class="token">{groupText(analysis, first, end, 24)}</bdi>;
  };
  if (edge?.kind === 'attention') {
    const strongest = edgeNumbers(analysis, routes, edge);
    const what = flow ? 'summed flow' : 'strongest contribution';
    return (
      <>
        <div class="title">
          {at(edge.source.position)} → {at(edge.target.position)}
          <span class="dim"> attention, layer {edge.target.layer}</span>
        </div>
        <JoinedEffect shown={shown} name={name} />
        <div>
          {members === 0 ? (
            'no route draws it'
          ) : (
            <>
              {count(members)} {members === 1 ? 'edge' : 'edges'} · {what} <b>{share(value)}</b>
            </>
          )}
        </div>
        <div class="note">
          Strongest: <bdi class="token">{labelAt(analysis, edge.source.position)}</bdi> →{' '}
          <bdi class="token">{labelAt(analysis, edge.target.position)}</bdi>,{' '}
          {share(flow ? strongest.flow : strongest.contribution)}. A click opens it.
        </div>
      </>
    );
  }
  const node = edge ? edge.target : parseNode(name);
  if (!node) return null;
  const title = edge ? `${edge.kind}, layer ${node.layer}` : nodeTitle(node, analysis.meta.layerKinds);
  const what = edge && !flow ? 'strongest contribution' : 'summed flow';
  return (
    <>
      <div class="title">
        {at(node.position)} <span class="dim">{title}</span>
      </div>
      <JoinedEffect shown={shown} name={name} />
      <div>
        {count(sizeOf(columns, columns.of[node.position] ?? 0))} tokens · {what} <b>{share(value)}</b>
      </div>
      <div class="note">
        Strongest: <bdi class="token">{labelAt(analysis, node.position)}</bdi>. A click opens it.
      </div>
    </>
  );
}

function Title({ store, name }: { store: Store; name: string }) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const edge = parseEdge(name);
  if (edge?.kind === 'attention') {
    return (
      <div class="title">
        <bdi class={tokenClass(analysis, edge.source.position)}>{labelAt(analysis, edge.source.position)}</bdi> →{' '}
        <bdi class={tokenClass(analysis, edge.target.position)}>{labelAt(analysis, edge.target.position)}</bdi>
        <span class="dim"> attention, layer {edge.target.layer}</span>
      </div>
    );
  }
  const node = edge ? edge.target : parseNode(name);
  if (!node) return null;
  const what =
    edge?.kind === 'residual'
      ? `residual ${edge.source.letter === 'A' ? 'past feed-forward' : 'past attention'}, layer ${edge.target.layer}`
      : edge?.kind === 'mixer'
        ? `${MIXER}, layer ${edge.target.layer}`
        : nodeTitle(node, analysis.meta.layerKinds);
  return (
    <div class="title">
      <bdi class={tokenClass(analysis, node.position)}>{labelAt(analysis, node.position)}</bdi>
      <span class="dim"> {what}</span>
    </div>
  );
}

function Figures({ store, name }: { store: Store; name: string }) {
  const analysis = store.analysis.value;
  const routes = store.routes.value;
  if (!analysis || !routes) return null;
  const node = parseNode(name);
  const edge = node?.letter === 'M' ? parseEdge(`ffn:${name}>I${node.layer}_${node.position}`) : parseEdge(name);
  if (edge) {
    const { contribution, flow, weight } = edgeNumbers(analysis, routes, edge);
    return (
      <div>
        contribution <b>{share(contribution)}</b> ·{' '}
        {weight > 0 ? (
          <>
            flow <b>{share(flow)}</b>
          </>
        ) : (
          'no route keeps it'
        )}
      </div>
    );
  }
  if (!node) return null;
  const mass = nodeMass(analysis, routes, node);
  return (
    <div>
      {mass > 0 ? (
        <>
          flow <b>{share(mass)}</b>
        </>
      ) : (
        'not on a kept route'
      )}
    </div>
  );
}
