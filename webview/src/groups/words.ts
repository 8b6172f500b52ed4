/** Groups of tokens, and edges between them, in words. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { parseEdge, parseNode } from '../words/names';
import type { EdgeRef } from '../words/names';
import type { Analysis } from '../analysis/payload';
import { count, visibleText } from '../words/words';
import { sizeOf } from './grouping';
import type { Columns, Groups } from './grouping';
import type { Shown } from './shown';

const UNITS: Record<Groups['unit'], string> = {
  token: 'tokens',
  fold: 'folded',
  word: 'words',
  sentence: 'sentences',
  line: 'lines',
  span8: 'spans of 8',
  span32: 'spans of 32',
  span128: 'spans of 128',
};

export const unitText = (unit: Groups['unit']): string => UNITS[unit];

const LONGEST = 32;

/** The text of the tokens from `first` up to `end`, in one line and at most `longest` characters. */
export function groupText({ meta }: Analysis, first: number, end: number, longest = LONGEST): string {
  let text = '';
  for (let t = first; t < end && text.length <= 2 * longest; t++) text += meta.tokens[t]!.text;
  const line = [...text.replace(/\s+/g, ' ').trim()];
  if (line.length === 0) return visibleText(text);
  return line.length > longest
    ? `${line
        .slice(0, longest - 1)
        .join('')
        .trimEnd()}…`
    : line.join('');
}

/** "“The river rose …”, 25 tokens from 120 to 144" */
export function groupTitle(analysis: Analysis, first: number, end: number): string {
  return `“${groupText(analysis, first, end, 60)}”, ${groupSpan(first, end)}`;
}

export const groupSpan = (first: number, end: number): string => `${count(end - first)} tokens, ${first} to ${end - 1}`;

/** The drawn group at a name: null unless one of its columns holds several tokens. */
export interface JoinedMark {
  edge: EdgeRef | null;
  /** How many token edges the edge represents; 0 for a node. */
  members: number;
  /** Summed mass of the nodes, summed flow or strongest contribution of the edges. */
  value: number;
}

export function joinedMark(shown: Shown, name: string): JoinedMark | null {
  const { columns } = shown;
  const edge = parseEdge(name);
  const joined = (position: number): boolean => sizeOf(columns, columns.of[position] ?? 0) > 1;
  if (edge) {
    if (!joined(edge.source.position) && !joined(edge.target.position)) return null;
    const column = columns.of[edge.target.position]!;
    const row = edge.target.layer * columns.nColumns + column;
    if (edge.kind === 'attention') return { edge, ...attentionAt(shown, edge) };
    const own = edge.kind === 'residual' && edge.source.letter === 'A' ? 'ffnResidual' : edge.kind;
    const value = own === 'bias' ? 0 : shown[own][row]!;
    return { edge, members: sizeOf(columns, column), value };
  }
  const node = parseNode(name);
  if (!node || !joined(node.position)) return null;
  const column = columns.of[node.position]!;
  if (node.letter === 'M') return { edge: null, members: 0, value: shown.ffn[node.layer * columns.nColumns + column]! };
  const row = node.letter === 'X' ? 0 : node.layer + 1;
  return { edge: null, members: 0, value: shown.mass[row * columns.nColumns + column]! };
}

function attentionAt({ edges, columns }: Shown, edge: EdgeRef): { members: number; value: number } {
  const [query, key] = [columns.of[edge.target.position], columns.of[edge.source.position]];
  for (let i = 0; i < edges.count; i++) {
    if (edges.layer[i] === edge.target.layer && edges.query[i] === query && edges.key[i] === key)
      return { members: edges.members?.[i] ?? 1, value: edges.ink[i]! };
  }
  return { members: 0, value: 0 };
}

/** First position of a column, and the one after its last. */
export const spanOf = (columns: Columns, column: number): [number, number] => [
  columns.first[column]!,
  columns.first[column + 1]!,
];
