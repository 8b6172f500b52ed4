/** Names of nodes and edges, as on the wire: X0_t, A<l>_<t>, M<l>_<t>, I<l>_<t>, B<l>_<t>. */

export type NodeLetter = 'X' | 'A' | 'M' | 'I' | 'B';
export type EdgeKind = 'attention' | 'residual' | 'ffn' | 'bias' | 'mixer';

export interface NodeRef {
  letter: NodeLetter;
  layer: number;
  position: number;
}

export interface EdgeRef {
  kind: EdgeKind;
  source: NodeRef;
  target: NodeRef;
}

/** `{I, 22, 3}` → "I22_3"; the residual below layer 0 is the embedding X0. */
export function nodeName(node: NodeRef): string {
  return node.layer < 0 ? `X0_${node.position}` : `${node.letter}${node.layer}_${node.position}`;
}

export function nodeRef(letter: NodeLetter, layer: number, position: number): NodeRef {
  return letter === 'I' && layer < 0 ? { letter: 'X', layer: 0, position } : { letter, layer, position };
}

/** "attention:I22_2>A23_14" */
export function edgeName(edge: EdgeRef): string {
  return `${edge.kind}:${nodeName(edge.source)}>${nodeName(edge.target)}`;
}

export function attentionEdge(layer: number, query: number, key: number, parallel: boolean): EdgeRef {
  const source = nodeRef('I', layer - 1, key);
  return { kind: 'attention', source, target: nodeRef(parallel ? 'I' : 'A', layer, query) };
}

export function attentionEdgeName(layer: number, query: number, key: number, parallel: boolean): string {
  return edgeName(attentionEdge(layer, query, key, parallel));
}

const NODE = /^(?:([XAIB])(\d{1,6})_(\d{1,9})|(M)(\d{1,6})_(\d{1,9})(?:@(?:\d{1,6}|shared\d?))?)(?:#\d{1,9})?$/;
const EDGE = /^(attention|residual|ffn|bias|mixer):([^>#]+)>([^#]+)(?:#\d{1,9})?$/;

/** The selection that opens the model. */
export const MODEL = 'model';

/**
 * A selection is a node or an edge, and inside of it a head (of an attention edge), a neuron or an expert (of a
 * feed-forward block): "attention:I22_2>A23_14#4" is head 4 of that edge, "M12_5#831" is neuron 831 at position 5,
 * "M12_5@3" expert 3, "M12_5@shared" the shared one, "M12_5@3#17" neuron 17 of expert 3.
 */
export function detailOf(name: string): number | null {
  const match = /#(\d{1,9})$/.exec(name);
  return match ? Number(match[1]) : null;
}

/** The expert of a selection: a number as text, "shared", or null. */
export function expertOf(name: string): string | null {
  return /@(\d{1,6}|shared\d?)(?:#\d{1,9})?$/.exec(name)?.[1] ?? null;
}

/** The node or edge of a selection, without what is selected inside of it. */
export function baseOf(name: string): string {
  return name.replace(/(?:@(?:\d{1,6}|shared\d?))?(?:#\d{1,9})?$/, '');
}

/** The same with another head or neuron; null: the edge, block or expert that it is in. */
export function withDetail(name: string, detail: number | null): string {
  const around = name.replace(/#\d{1,9}$/, '');
  return detail === null ? around : `${around}#${detail}`;
}

export function withExpert(name: string, expert: string): string {
  return `${baseOf(name)}@${expert}`;
}

/** The container of a selection: a neuron's expert or block, a head's edge, an expert's block; null for nodes and edges. */
export function around(name: string): string | null {
  if (detailOf(name) !== null) return withDetail(name, null);
  return expertOf(name) === null ? null : baseOf(name);
}

export function parseNode(name: string): NodeRef | null {
  const match = NODE.exec(name);
  if (!match) return null;
  const [letter, layer, position] = match[4] === undefined ? match.slice(1, 4) : match.slice(4, 7);
  const node = { letter: letter as NodeLetter, layer: Number(layer), position: Number(position) };
  return node.letter === 'X' && node.layer !== 0 ? null : node;
}

export function parseEdge(name: string): EdgeRef | null {
  const match = EDGE.exec(name);
  if (!match) return null;
  const source = parseNode(match[2] ?? '');
  const target = parseNode(match[3] ?? '');
  return source && target ? { kind: match[1] as EdgeKind, source, target } : null;
}

/** The height of a node in layers: X0 −1, I_l l, A_l and B_l l − ½, M_l l − ¼. */
export function nodeLevel(node: NodeRef): number {
  switch (node.letter) {
    case 'X':
      return -1;
    case 'I':
      return node.layer;
    case 'M':
      return node.layer - 0.25;
    default:
      return node.layer - 0.5;
  }
}
