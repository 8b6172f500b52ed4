/** Names of units that can be taken out (docs/effects.md#units), from what is selected in the graph. */
import { attentionEdgeName, detailOf, nodeName, nodeRef, parseEdge, parseNode, withDetail } from '../words/names';

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

const HEAD_UNIT = /^(\d{1,6})\.(\d{1,6})(?:@(\d{1,9}))?$/;

/** The layer, head and position of a unit that is a head; null for any other. */
export function headOfUnit(unit: string): { layer: number; head: number; position: number | null } | null {
  const match = HEAD_UNIT.exec(unit);
  if (!match) return null;
  return {
    layer: Number(match[1]),
    head: Number(match[2]),
    position: match[3] === undefined ? null : Number(match[3]),
  };
}

/** What is selected for a unit; null for a head, which stands for many edges, and for several units. */
export function selectionOf(unit: string, parallel: boolean): string | null {
  const match = EDGE_UNIT.exec(unit.replace(/\/\d+$/, ''));
  if (!match) return parseNode(unit) ? unit : null;
  const [key, layer, query] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const edge = attentionEdgeName(layer, query, key, parallel);
  const head = /\/(\d+)$/.exec(unit)?.[1];
  return withDetail(edge, head === undefined ? null : Number(head));
}

/** The last position that a unit is about; null for a head at all positions. */
export function positionOfUnit(unit: string): number | null {
  const match = /(?:>A\d+_|^[XMBI]\d+_|^\d+\.\d+@)(\d+)(?:[/@#].*)?$/.exec(unit);
  return match ? Number(match[1]) : null;
}
