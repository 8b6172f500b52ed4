/** Folds in words: what they hide, and how much of it carries something. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { Analysis } from '../analysis/payload';
import { MEASURED } from '../effects/table';
import type { EffectTable } from '../effects/table';
import type { Routes } from '../routes/routes';
import { effectNumber } from '../words/effect';
import { count, share } from '../words/words';
import { FOLD } from './grouping';
import type { Columns } from './grouping';
import { groupTitle, spanOf } from './words';

/** What is folded in a graph: tokens, and the edges between different tokens that lead from or to them. */
export interface Folded {
  tokens: number;
  edges: number;
  /** [C] edges between different tokens that begin or end in a fold or scaffold, and the mass that arrives at its tokens. */
  edgesOf: Uint32Array;
  massOf: Float64Array;
}

/** One pass over the edges for all folds: there may be hundreds of thousands. */
export function foldedIn({ columns: { edgeQuery, edgeKey } }: Analysis, routes: Routes, columns: Columns): Folded {
  const { nColumns, of, first, kind } = columns;
  const folded: Folded = {
    tokens: 0,
    edges: 0,
    edgesOf: new Uint32Array(nColumns),
    massOf: new Float64Array(nColumns),
  };
  if (!kind) return folded;
  for (let column = 0; column < nColumns; column++) {
    if (kind[column] === 0) continue;
    if (kind[column] === FOLD) folded.tokens += first[column + 1]! - first[column]!;
    for (let t = first[column]!; t < first[column + 1]!; t++) folded.massOf[column]! += routes.mass[t]!;
  }
  for (const e of routes.kept) {
    if (edgeQuery[e] === edgeKey[e]) continue;
    const [query, key] = [of[edgeQuery[e]!]!, of[edgeKey[e]!]!];
    if (kind[query] === FOLD || kind[key] === FOLD) folded.edges++;
    folded.edgesOf[query]!++;
    if (key !== query) folded.edgesOf[key]!++;
  }
  return folded;
}

/** "“the boats had …”, 212 tokens, 120 to 331 · no route touches them", or how many do. */
export function foldTitle(
  analysis: Analysis,
  columns: Columns,
  column: number,
  folded: Folded | null,
  effects: EffectTable | null,
): string {
  const [first, end] = spanOf(columns, column);
  const parts = [groupTitle(analysis, first, end)];
  const edges = folded?.edgesOf[column];
  if (folded && edges === 0) parts.push('no route touches them');
  else if (folded) {
    const what = `${count(edges ?? 0)} ${edges === 1 ? 'edge' : 'edges'}`;
    parts.push(`${what} · flow that arrives ${share(folded.massOf[column] ?? 0)}`);
  }
  const measured = effects ? measuredIn(effects, first, end) : [];
  if (measured.length > 0)
    parts.push(`${count(measured.length)} measured effects of tokens, at most ${effectNumber(largest(measured))}`);
  return parts.join(' · ');
}

function measuredIn({ tokens }: EffectTable, first: number, end: number): number[] {
  const found: number[] = [];
  for (let t = first; t < end; t++) if (tokens.how[t] === MEASURED) found.push(tokens.value[t]!);
  return found;
}

const largest = (values: readonly number[]): number =>
  values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);

/** Marks that templates put around a role: <|im_start|>, <end_of_turn>, [INST]. */
const MARKS = /<[^<>\s]*>|\[\/?[A-Z_]+\]/g;

/** The role that a chat template names around a message; its whole text says more. */
export function scaffoldName({ meta }: Analysis, first: number, end: number): string {
  const text = meta.tokens
    .slice(first, end)
    .map((token) => token.text)
    .join('');
  const rest = text.replaceAll(MARKS, ' ').trim();
  return /^\p{L}+$/u.test(rest) ? rest : 'template';
}
