/** Where the arrow keys lead from a node: tokens left and right, layers up and down. */
import type { AnalysisMeta } from '../../../extension/shared/protocol';
import { singleColumns } from '../groups/grouping';
import type { Columns } from '../groups/grouping';
import { nodeName, nodeRef, parseNode } from '../words/names';
import type { NodeRef } from '../words/names';

export type Direction = 'left' | 'right' | 'up' | 'down';

const ARROWS: Record<string, Direction> = { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' };

export const directionOf = (key: string): Direction | undefined => ARROWS[key];

/** One step from a node, onto a group's first token; `fine` visits every node on the way up (A, M, I) instead of whole layers. */
export function neighbour(
  meta: AnalysisMeta,
  from: string,
  direction: Direction,
  fine: boolean,
  columns: Columns = singleColumns(meta.tokens.length),
): string {
  const node = parseNode(from);
  if (!node) return from;
  const { nLayers, parallel } = meta.model;
  const { letter, layer, position } = node;
  if (direction === 'left' || direction === 'right') {
    const next = (columns.of[position] ?? 0) + (direction === 'left' ? -1 : 1);
    const first = columns.first[next] ?? 0;
    return next < 0 || next >= columns.nColumns ? from : nodeName({ ...node, position: first });
  }
  if (fine) return nodeName(fineStep(node, direction === 'up' ? 1 : -1, nLayers, parallel));
  const at = letter === 'X' ? -1 : layer;
  const next = at + (direction === 'up' ? 1 : -1);
  if (next >= nLayers) return from;
  if (next < 0) return nodeName(nodeRef('I', -1, position));
  return nodeName(nodeRef(letter === 'X' ? 'I' : letter, next, position));
}

function fineStep(node: NodeRef, by: 1 | -1, nLayers: number, parallel: boolean): NodeRef {
  const order: NodeRef['letter'][] = parallel ? ['M', 'I'] : ['A', 'M', 'I'];
  const size = order.length;
  // X0 is just below the first node of layer 0.
  const index = node.letter === 'X' ? -1 : node.layer * size + Math.max(0, order.indexOf(node.letter));
  const next = Math.min(nLayers * size - 1, Math.max(-1, index + by));
  if (next < 0) return nodeRef('I', -1, node.position);
  return nodeRef(order[next % size] ?? 'I', Math.floor(next / size), node.position);
}
