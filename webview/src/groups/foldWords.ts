/** Folds in words: what they hide, and how much of it carries something. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { Analysis } from '../analysis/payload';
import { MEASURED } from '../effects/table';
import type { EffectTable } from '../effects/table';
import type { Routes } from '../routes/routes';
import { effectNumber } from '../words/effect';
import { count, share } from '../words/words';
import { isFold } from './grouping';
import type { Columns } from './grouping';
import { groupTitle } from './words';

/** "“the boats had …”, 212 tokens from 120 to 331 · nothing touches them", or how much does. */
export function foldTitle(
  analysis: Analysis,
  routes: Routes | null,
  effects: EffectTable | null,
  first: number,
  end: number,
): string {
  const parts = [groupTitle(analysis, first, end)];
  if (routes) {
    const { edges, mass } = touching(analysis, routes, (position) => position >= first && position < end);
    parts.push(edges === 0 ? 'no route touches them' : `${edgesText(edges)} · flow that arrives ${share(mass)}`);
  }
  const measured = effects ? measuredIn(effects, first, end) : [];
  if (measured.length > 0)
    parts.push(`${count(measured.length)} measured effects of tokens, at most ${effectNumber(largest(measured))}`);
  return parts.join(' · ');
}

const edgesText = (edges: number): string => `${count(edges)} ${edges === 1 ? 'edge' : 'edges'}`;

/** Edges between different tokens with an end among some tokens, and the mass that arrives at their embeddings. */
function touching(
  { columns: { edgeQuery, edgeKey }, meta }: Analysis,
  { kept, mass }: Routes,
  isAmong: (position: number) => boolean,
): { edges: number; mass: number } {
  let edges = 0;
  for (const e of kept) {
    const [query, key] = [edgeQuery[e]!, edgeKey[e]!];
    if (query !== key && (isAmong(query) || isAmong(key))) edges++;
  }
  let sum = 0;
  for (let t = 0; t < meta.tokens.length; t++) if (isAmong(t)) sum += mass[t]!;
  return { edges, mass: sum };
}

function measuredIn({ tokens }: EffectTable, first: number, end: number): number[] {
  const found: number[] = [];
  for (let t = first; t < end; t++) if (tokens.how[t] === MEASURED) found.push(tokens.value[t]!);
  return found;
}

const largest = (values: readonly number[]): number =>
  values.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);

/** What is folded in a graph: tokens, and the edges that lead from or to them. */
export interface Folded {
  tokens: number;
  edges: number;
}

export function foldedIn(analysis: Analysis, routes: Routes, columns: Columns): Folded {
  const { of, first } = columns;
  let tokens = 0;
  for (let column = 0; column < columns.nColumns; column++)
    if (isFold(columns, column)) tokens += first[column + 1]! - first[column]!;
  if (tokens === 0) return { tokens, edges: 0 };
  return { tokens, edges: touching(analysis, routes, (position) => isFold(columns, of[position] ?? -1)).edges };
}

/** Marks that templates put around a role: <|im_start|>, <end_of_turn>, [INST]. */
const MARKS = /<[^<>\s]*>|\[\/?[A-Z_]+\]/g;

/** The role that a chat template names around a message; its whole text says more. */
export function scaffoldName({ meta }: Analysis, first: number, end: number): string {
  const text = meta.tokens
    .slice(first, end)
    .map((token) => token.text)
    .join('');
  const rest = text.replaceAll(MARKS, ' ').trim();
  return /^\p{L}+$/u.test(rest) ? rest : 'chat template';
}
