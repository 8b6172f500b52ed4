/** The effects of what is drawn, and the strong edges that are not. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { MEASURED } from '../effects/table';
import type { EffectTable, Figures } from '../effects/table';
import type { Routes } from '../routes/routes';
import { undrawn } from '../effects/plan';
import { edgeNumbers } from '../words/describe';
import { attentionEdge } from '../words/names';
import type { Shown } from './shown';
import { add, addFrom, largestOf, noSums } from './sums';
import type { DashedEdges, EffectInk, Sums } from './sums';

export function effectInk(shown: Shown, table: EffectTable): EffectInk {
  const edges = shown.columns.grouped ? ofLines(shown, table) : ofEdges(shown, table);
  const dashed = dashedEdges(shown, table);
  const ffn = ofBlocks(shown, table);
  return {
    ...{ table, edges, dashed, ffn },
    largestEdge: largestOf(edges, largestOf(dashed.sums)),
    largestFfn: largestOf(ffn),
  };
}

function ofEdges({ edges }: Shown, table: EffectTable): Sums {
  const sums = noSums(edges.count);
  for (let i = 0; i < edges.count; i++) {
    const figure = table.edges.get(edges.strongest[i]!);
    if (figure) add(sums, i, figure);
  }
  return sums;
}

/** Kept edges and lines come in one order, by layer and query column: one row of lines at a time is enough. */
function ofLines({ analysis, routes, columns, edges }: Shown, table: EffectTable): Sums {
  const { edgeLayer, edgeQuery, edgeKey } = analysis.columns;
  const sums = noSums(edges.count);
  const lineAt = new Int32Array(columns.nColumns).fill(-1);
  let [first, end, layer, query] = [0, 0, -1, -1];
  for (const e of routes.kept) {
    const q = columns.of[edgeQuery[e]!]!;
    if (q !== query || edgeLayer[e] !== layer) {
      [layer, query] = [edgeLayer[e]!, q];
      for (let i = first; i < end; i++) lineAt[edges.key[i]!] = -1;
      for (first = end; end < edges.count && edges.layer[end] === layer && edges.query[end] === query; end++)
        lineAt[edges.key[end]!] = end;
    }
    const line = lineAt[columns.of[edgeKey[e]!]!]!;
    const figure = line < 0 ? undefined : table.edges.get(e);
    if (figure) add(sums, line, figure);
  }
  return sums;
}

function dashedEdges({ analysis, routes, columns }: Shown, table: EffectTable): DashedEdges {
  const { parallel } = analysis.meta.model;
  const isDrawn = ({ layer, query, key }: { layer: number; query: number; key: number }): boolean =>
    edgeNumbers(analysis, routes, attentionEdge(layer, query, key, parallel)).weight > 0;
  const found = undrawn(table.notable, isDrawn);
  const lines: DashedEdges = {
    count: 0,
    layer: new Uint16Array(found.length),
    query: new Uint32Array(found.length),
    key: new Uint32Array(found.length),
    sums: noSums(found.length),
    strongest: [],
  };
  for (const edge of found) {
    const [query, key] = [columns.of[edge.query] ?? 0, columns.of[edge.key] ?? 0];
    let at = 0;
    while (at < lines.count && (lines.layer[at] !== edge.layer || lines.query[at] !== query || lines.key[at] !== key))
      at++;
    add(lines.sums, at, edge.figure);
    if (at < lines.count) continue;
    lines.count++;
    [lines.layer[at], lines.query[at], lines.key[at]] = [edge.layer, query, key];
    lines.strongest.push(edge);
  }
  return lines;
}

function ofBlocks({ routes, columns }: Shown, { ffn }: EffectTable): Sums {
  const { nColumns, of } = columns;
  const nTokens = of.length;
  const sums = noSums((routes.ffn.length / nTokens) * nColumns);
  for (let row = 0, start = 0; row < routes.ffn.length; start += nColumns) {
    for (let t = 0; t < nTokens; t++, row++) {
      if (drawsEffect(routes, ffn, row)) addFrom(sums, start + of[t]!, ffn, row);
    }
  }
  return sums;
}

/** Blocks are drawn that are on a route, and those that were measured. */
export const drawsEffect = (routes: Pick<Routes, 'ffn'>, ffn: Figures, row: number): boolean =>
  routes.ffn[row]! > 0 || ffn.how[row] === MEASURED;
