/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TokenInfo } from '../../extension/shared/protocol';
import { columnsOf, groupAt, groupsOf, singleColumns, sizeOf } from '../../webview/src/groups/grouping';
import type { Columns, Text } from '../../webview/src/groups/grouping';
import { shownGraph, strongestAt } from '../../webview/src/groups/shown';
import type { Shown } from '../../webview/src/groups/shown';
import { neighbour } from '../../webview/src/graph/keyboard';
import { tokenX } from '../../webview/src/graph/layout';
import { createGraphView } from '../../webview/src/graph/view';
import { groupText, joinedMark } from '../../webview/src/groups/words';
import { attentionEdgeName, nodeName, nodeRef } from '../../webview/src/words/names';
import { computeRoutes } from '../../webview/src/routes/routes';
import { createStore } from '../../webview/src/store/state';
import { randomNumbers } from '../../webview/dev/numbers';
import { FakeHost, analysisMessage } from './host';
import { randomAnalysis, sourceOfAnalysis } from './sources';

/** A text whose tokens are the given pieces; "<…>" is an added one. */
function textOf(...pieces: string[]): Text {
  let prompt = '';
  const tokens = pieces.map((piece, id): TokenInfo => {
    const special = piece.startsWith('<');
    const start = prompt.length;
    if (!special) prompt += piece;
    return { id, text: piece, start, end: prompt.length, special, shared: false, template: false };
  });
  return { prompt, tokens };
}

const pieces = (text: Text, unit: 'word' | 'sentence' | 'line' | 'span8'): string[] => {
  const { first } = groupsOf(text, unit);
  return Array.from({ length: first.length - 1 }, (_, g) =>
    text.tokens
      .slice(first[g], first[g + 1])
      .map((token) => token.text)
      .join(''),
  );
};

describe('groups of tokens', () => {
  const text = textOf('<s>', 'The', ' riv', 'er', ' rose', ',', ' fast', '.', ' It', ' was', '\n', 'night', '.');

  it('are words with the marks after them', () => {
    expect(pieces(text, 'word')).toEqual(['<s>', 'The', ' river', ' rose,', ' fast.', ' It', ' was\n', 'night.']);
  });

  it('are sentences, which a space before them belongs to', () => {
    expect(pieces(text, 'sentence')).toEqual(['<s>', 'The river rose, fast.', ' It was\n', 'night.']);
  });

  it('are lines with their ends', () => {
    expect(pieces(text, 'line')).toEqual(['<s>', 'The river rose, fast. It was\n', 'night.']);
  });

  it('are words where a language writes no spaces', () => {
    expect(pieces(textOf('今', '日', 'は', '天', '気'), 'word')).toEqual(['今日', 'は', '天気']);
  });

  it('are spans of equal length, but for the last', () => {
    const { first } = groupsOf(text, 'span8');
    expect(Array.from(first)).toEqual([0, 8, 13]);
  });

  it('are found by position', () => {
    const groups = groupsOf(text, 'word');
    for (let t = 0; t < text.tokens.length; t++) {
      const g = groupAt(groups, t);
      expect(t).toBeGreaterThanOrEqual(groups.first[g] ?? NaN);
      expect(t).toBeLessThan(groups.first[g + 1] ?? NaN);
    }
  });
});

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** Columns of random widths, some groups open, the first is not. */
function randomColumns(nTokens: number, random: () => number): Columns {
  const first = [0, 2];
  while ((first.at(-1) ?? 0) < nTokens)
    first.push(Math.min(nTokens, (first.at(-1) ?? 0) + 1 + Math.floor(random() * 6)));
  return columnsOf({ unit: 'word', first: Uint32Array.from(first) }, (group) => group > 0 && random() < 0.3);
}

function flowByLayer({ edges }: Shown, nLayers: number): number[] {
  const flows = Array.from({ length: nLayers }, () => 0);
  for (let i = 0; i < edges.count; i++) flows[edges.layer[i] ?? 0]! += edges.flow[i] ?? 0;
  return flows;
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('a grouped graph, by chance %i', (seed) => {
  const random = randomNumbers(seed * 977);
  const nTokens = 5 + Math.floor(random() * 30);
  const analysis = randomAnalysis({ nLayers: 3, nTokens, seed, parallel: seed % 2 === 0 });
  const source = sourceOfAnalysis(analysis);
  const target = Math.floor(random() * nTokens);
  const routes = computeRoutes(source, { target, threshold: 0.005 + random() * 0.02, renormalize: seed % 3 > 0 });
  const columns = randomColumns(nTokens, random);
  const plain = shownGraph(analysis, routes, 'flow', singleColumns(nTokens));
  const grouped = shownGraph(analysis, routes, 'flow', columns);

  it('has the mass of every layer, and the flow of every layer and kind', () => {
    for (let row = 0; row <= source.nLayers; row++) {
      const own = sum(grouped.mass.subarray(row * columns.nColumns, (row + 1) * columns.nColumns));
      expect(own).toBeCloseTo(sum(routes.mass.subarray(row * nTokens, (row + 1) * nTokens)), 12);
    }
    for (const kind of ['residual', 'mixer', 'ffn', 'ffnResidual'] as const)
      expect(sum(grouped[kind])).toBeCloseTo(sum(plain[kind]), 12);
    const [own, whole] = [flowByLayer(grouped, source.nLayers), flowByLayer(plain, source.nLayers)];
    own.forEach((flow, layer) => expect(flow).toBeCloseTo(whole[layer] ?? NaN, 12));
    expect(sum(grouped.edges.members?.subarray(0, grouped.edges.count) ?? [])).toBe(routes.kept.length);
  });

  it('has one line for every pair of columns that an edge joins, with their flow', () => {
    const { edgeLayer, edgeQuery, edgeKey } = analysis.columns;
    const flows = new Map<string, number>();
    routes.kept.forEach((e, i) => {
      const line = `${edgeLayer[e]} ${columns.of[edgeQuery[e]!]} ${columns.of[edgeKey[e]!]}`;
      flows.set(line, (flows.get(line) ?? 0) + routes.keptFlow[i]!);
    });
    const { edges } = grouped;
    expect(edges.count).toBe(flows.size);
    for (let i = 0; i < edges.count; i++) {
      expect(edges.ink[i]).toBeCloseTo(flows.get(`${edges.layer[i]} ${edges.query[i]} ${edges.key[i]}`) ?? NaN, 12);
    }
  });

  it('shows the strongest contribution where ink is local', () => {
    const local = shownGraph(analysis, routes, 'local', columns);
    const { edges } = local;
    for (let i = 0; i < edges.count; i++) expect(edges.ink[i]).toBe(routes.attention[edges.strongest[i]!]);
    expect(Math.max(0, ...edges.ink.subarray(0, edges.count))).toBe(Math.max(0, ...routes.keptWeight));
  });

  it('is the graph of tokens when every group is open', () => {
    const all = columnsOf(groupsOf(analysis.meta, 'word'), () => true);
    expect(all.grouped).toBe(false);
    expect(Array.from(all.of)).toEqual(Array.from(singleColumns(nTokens).of));
    expect(shownGraph(analysis, routes, 'flow', all)).toEqual({ ...plain, columns: all });
  });

  it('gives the drawn group of a name', () => {
    const { edges } = grouped;
    const { parallel } = analysis.meta.model;
    for (let i = 0; i < edges.count; i++) {
      const e = edges.strongest[i]!;
      const { edgeQuery, edgeKey } = analysis.columns;
      const mark = joinedMark(grouped, attentionEdgeName(edges.layer[i]!, edgeQuery[e]!, edgeKey[e]!, parallel));
      const several = sizeOf(columns, edges.query[i]!) > 1 || sizeOf(columns, edges.key[i]!) > 1;
      expect(mark && { members: mark.members, value: mark.value }).toEqual(
        several ? { members: edges.members?.[i], value: edges.ink[i] } : null,
      );
    }
    for (let column = 0; column < columns.nColumns; column++) {
      const position = strongestAt(columns, column, routes.mass, nTokens);
      const mark = joinedMark(grouped, nodeName(nodeRef('I', 0, position)));
      expect(mark?.value ?? null).toBe(sizeOf(columns, column) > 1 ? grouped.mass[columns.nColumns + column] : null);
    }
  });
});

describe('many lines', () => {
  it('are those with the most ink', () => {
    const analysis = randomAnalysis({ nLayers: 3, nTokens: 40, seed: 5 });
    const routes = computeRoutes(sourceOfAnalysis(analysis), { target: 39, threshold: 0.005, renormalize: true });
    for (const columns of [singleColumns(40), columnsOf(groupsOf(analysis.meta, 'span8'), () => false)]) {
      const all = shownGraph(analysis, routes, 'flow', columns);
      const most = Math.floor(all.edges.count / 3);
      const few = shownGraph(analysis, routes, 'flow', columns, null, most);
      expect(few.nEdges).toBe(all.edges.count);
      expect(few.edges.count).toBeLessThan(all.edges.count);
      const drawn = few.edges.ink.subarray(0, few.edges.count);
      const sorted = Array.from(all.edges.ink.subarray(0, all.edges.count)).sort((a, b) => b - a);
      expect([...drawn].sort((a, b) => b - a)).toEqual(sorted.slice(0, drawn.length));
    }
  });
});

it('a group is named by its text on one line, shortened', () => {
  const analysis = randomAnalysis({ nLayers: 1, nTokens: 30 });
  const text = groupText(analysis, 1, 30, 20);
  expect([...text].length).toBeLessThanOrEqual(20);
  expect(text.endsWith('…')).toBe(true);
  expect(text).not.toMatch(/\n/);
});

describe('the groups of a long prompt', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function opened(nTokens = 200) {
    const host = new FakeHost();
    const store = createStore(host);
    store.live();
    host.say(analysisMessage({ nTokens, nLayers: 2, density: 8 }, { grouping: 'span8' }));
    const view = createGraphView(store);
    view.size.value = { width: 600, height: 500 };
    view.follow();
    const alone = (position: number): boolean => {
      const columns = store.columns.value ?? singleColumns(0);
      return sizeOf(columns, columns.of[position] ?? 0) === 1;
    };
    const xOf = (position: number): number => {
      const frame = view.frame.value;
      return frame ? tokenX(frame, position) : NaN;
    };
    return { host, store, view, alone, xOf };
  }

  it('are open where the target and the selection are, and only there', () => {
    const { store, alone } = opened();
    expect([199, 192, 191].map(alone)).toEqual([true, true, false]);
    store.select('attention:I0_17>A1_90');
    expect([17, 90, 30].map(alone)).toEqual([true, true, false]);
    store.select(null);
    store.setTarget(30);
    expect([17, 90, 30, 199].map(alone)).toEqual([false, false, true, false]);
  });

  it('open and close by hand, in place, and are remembered', () => {
    const { host, store, view, alone, xOf } = opened();
    const x = xOf(168);
    view.openGroup(170, true);
    expect(alone(170)).toBe(true);
    expect(xOf(168)).toBeCloseTo(x - (xOf(169) - xOf(168)) * 2, 6);
    view.openGroup(170, false);
    expect(alone(170)).toBe(false);
    view.openGroup(170, true);
    expect(store.opened.value).toEqual(new Set([168]));
    vi.advanceTimersByTime(1000);
    expect(host.remembered.at(-1)).toMatchObject({ grouping: 'span8', opened: [168] });
    store.setGrouping('token');
    expect(alone(3)).toBe(true);
  });

  it('are walked over with the arrow keys, group by group', () => {
    const { store } = opened();
    const meta = store.analysis.value?.meta;
    const columns = store.columns.value;
    if (!meta || !columns) throw new Error('nothing is shown');
    expect(neighbour(meta, 'I1_192', 'left', false, columns)).toBe('I1_184');
    expect(neighbour(meta, 'I1_186', 'left', false, columns)).toBe('I1_176');
    expect(neighbour(meta, 'I1_184', 'right', false, columns)).toBe('I1_192');
    expect(neighbour(meta, 'I1_192', 'right', false, columns)).toBe('I1_193');
  });

  it('leave the lens its tokens', () => {
    const { store, view } = opened();
    expect(view.columns.value.grouped).toBe(true);
    store.view.value = 'lens';
    expect(view.columns.value.nColumns).toBe(200);
  });
});
