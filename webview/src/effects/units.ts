/** Names of units that can be taken out (docs/effects.md#units), from what is selected in the graph. */
import { detailOf, nodeName, nodeRef, parseEdge, parseNode } from '../words/names';

/** An attention edge, or one head of it: "I22_1>A23_13", "I22_1>A23_13/0". */
export function edgeUnit(layer: number, query: number, key: number, head: number | null = null): string {
  const edge = `${nodeName(nodeRef('I', layer - 1, key))}>A${layer}_${query}`;
  return head === null ? edge : `${edge}/${head}`;
}

/** A head at one position, or at all of them: "23.0@13", "23.0". */
export function headUnit(layer: number, head: number, position: number | null = null): string {
  return position === null ? `${layer}.${head}` : `${layer}.${head}@${position}`;
}

export const ffnUnit = (layer: number, position: number): string => `M${layer}_${position}`;

export const tokenUnit = (position: number): string => `X0_${position}`;

/** The unit that a selection stands for; null for a state of the residual stream, and for what only passes one on. */
export function unitOf(selection: string): string | null {
  const edge = parseEdge(selection);
  if (!edge) {
    const node = parseNode(selection);
    return node && (node.letter === 'X' || node.letter === 'M' || node.letter === 'B') ? selection : null;
  }
  const { source, target } = edge;
  switch (edge.kind) {
    case 'attention':
      return edgeUnit(target.layer, target.position, source.position, detailOf(selection));
    case 'ffn':
      return ffnUnit(target.layer, target.position);
    case 'bias':
      return `B${target.layer}_${target.position}`;
    default:
      return null;
  }
}

/** The place of an attention edge as one number. */
export const edgePlace = (layer: number, query: number, key: number): number => (layer * SIDE + query) * SIDE + key;

/** More positions than any model has; layers times its square is still an exact number. */
const SIDE = 2 ** 20;

export function edgeAt(place: number): { layer: number; query: number; key: number } {
  return { layer: Math.floor(place / SIDE ** 2), query: Math.floor(place / SIDE) % SIDE, key: place % SIDE };
}

const EDGE_UNIT = /^(?:X0|I\d{1,6})_(\d{1,9})>A(\d{1,6})_(\d{1,9})$/;

/** The place of a unit that is an attention edge; null for any other. */
export function placeOfUnit(unit: string): number | null {
  const match = EDGE_UNIT.exec(unit);
  return match ? edgePlace(Number(match[2]), Number(match[3]), Number(match[1])) : null;
}
