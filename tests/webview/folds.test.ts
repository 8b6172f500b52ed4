/** Which tokens have a column where not all have room, and how folds come and go. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { TokenInfo } from '../../extension/shared/protocol';
import { carriedBy } from '../../webview/src/groups/carriers';
import { foldColumns, foldsOf } from '../../webview/src/groups/folds';
import type { FoldRules } from '../../webview/src/groups/folds';
import { foldTitle, foldedIn, scaffoldName } from '../../webview/src/groups/foldWords';
import { FOLD, SCAFFOLD, isFold, singleColumns, sizeOf } from '../../webview/src/groups/grouping';
import type { Columns } from '../../webview/src/groups/grouping';
import { FOLDED, shownGraph } from '../../webview/src/groups/shown';
import { effectTable } from '../../webview/src/effects/table';
import { columnAt, columnWidth, columnX, computeLayout, frameOf, homeCamera } from '../../webview/src/graph/layout';
import { crossing } from '../../webview/src/graph/curves';
import { leavingEdges } from '../../webview/src/graph/leaving';
import { handleKey } from '../../webview/src/graph/keys';
import { createGraphView } from '../../webview/src/graph/view';
import { visibleWindow } from '../../webview/src/graph/window';
import { computeRoutes } from '../../webview/src/routes/routes';
import { randomNumbers } from '../../webview/dev/numbers';
import { analysisMessage } from './host';
import type { FakeHost } from './host';
import { writtenEffects } from './knownEffects';
import { useLiveStore } from './liveStore';
import type { Store } from './liveStore';
import { randomAnalysis, sourceOfAnalysis } from './sources';

const token = (text: string, template = false): TokenInfo => ({
  id: 0,
  text,
  start: 0,
  end: 0,
  special: template,
  shared: false,
  template,
});

const plain = (n: number): TokenInfo[] => Array.from({ length: n }, () => token(' word'));

function columnsFor(tokens: readonly TokenInfo[], carriers: Record<number, number>, rules: Partial<FoldRules> = {}) {
  const carried = new Float64Array(tokens.length);
  for (const [position, value] of Object.entries(carriers)) carried[Number(position)] = value;
  const target = rules.target ?? tokens.length - 1;
  const groups = foldsOf(tokens, { room: 536, target, carried, before: new Set(), ...rules });
  return foldColumns(groups, () => false);
}

const alone = (columns: Columns, position: number): boolean => sizeOf(columns, columns.of[position]!) === 1;

describe('folds', () => {
  it('are not made where every token has room', () => {
    expect(columnsFor(plain(26), { 3: 1 }).grouped).toBe(false);
    expect(columnsFor(plain(4), {}).kind).toBe(null);
  });

  it('leave a column to the target and to all that carry something', () => {
    const columns = columnsFor(plain(963), { 0: 0.01, 120: 1, 121: 0.3, 700: 0.2 }, { room: 300 });
    for (const position of [0, 120, 121, 700, 962]) expect(alone(columns, position)).toBe(true);
    expect(Array.from(columns.kind!)).toEqual([0, FOLD, 0, 0, FOLD, 0, FOLD, 0]);
    expect(columns.nColumns).toBe(8);
  });

  it.each([536, 846, 1376])('fit %i pixels, whatever carries, and the strongest carriers come first', (room) => {
    const random = randomNumbers(room);
    for (const nTokens of [4, 14, 207, 963, 8000]) {
      for (const share of [0.002, 0.1, 1]) {
        const carried = Float64Array.from({ length: nTokens }, () => (random() < share ? random() : 0));
        const target = nTokens - 1;
        const groups = foldsOf(plain(nTokens), { room, target, carried, before: new Set() });
        const columns = foldColumns(groups, () => false);
        const layout = computeLayout({ width: room + 64, height: 700 }, columns.nColumns, 30, columns);
        expect(layout.width).toBeLessThanOrEqual(layout.plot.width + 1e-6);
        expect(layout.columnWidth).toBeGreaterThanOrEqual(15);
        const ten = Array.from(carried.keys()).sort((a, b) => carried[b]! - carried[a]!);
        for (const position of [target, ...ten.slice(0, 10)])
          if (carried[position]! > 0 || position === target) expect(alone(columns, position)).toBe(true);
      }
    }
  });

  it('keep the columns that were there before, where there is room', () => {
    expect(alone(columnsFor(plain(500), { 9: 1 }, { before: new Set([300]) }), 300)).toBe(true);
    const many = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [2 * i, 1]));
    expect(alone(columnsFor(plain(500), many, { before: new Set([301]) }), 301)).toBe(false);
  });

  it('leave the words before the target, where there is room for wide columns', () => {
    const columns = columnsFor(plain(500), { 9: 1 }, { room: 846 });
    for (let t = 488; t < 500; t++) expect(alone(columns, t)).toBe(true);
    expect(alone(columns, 480)).toBe(false);
    const many = columnsFor(plain(500), Object.fromEntries(Array.from({ length: 15 }, (_, i) => [20 * i, 1])));
    expect(alone(many, 498)).toBe(false);
  });

  it('do not tear a word apart, nor hide two tokens behind a sliver', () => {
    const tokens = plain(400);
    [tokens[99], tokens[100], tokens[101]] = [token(' sur'), token('vey'), token('or')];
    const columns = columnsFor(tokens, { 100: 1, 200: 1, 203: 1 });
    for (const position of [99, 100, 101, 200, 201, 202, 203]) expect(alone(columns, position)).toBe(true);
    expect(alone(columns, 98)).toBe(false);
  });

  it('give a chat template one column for each message, also in a short prompt, but for the target', () => {
    const scaffold = ['<|im_end|>', '\n', '<|im_start|>', 'ass', 'istant', '\n'].map((text) => token(text, true));
    const tokens = [token('<|im_start|>', true), token('user', true), token('\n', true), token('Hi'), ...scaffold];
    const columns = columnsFor(tokens, {});
    expect(Array.from(columns.kind!)).toEqual([SCAFFOLD, 0, SCAFFOLD, 0]);
    const analysis = randomAnalysis({ nLayers: 1, nTokens: tokens.length });
    const named = { ...analysis, meta: { ...analysis.meta, tokens } };
    expect(scaffoldName(named, 0, 3)).toBe('user');
    expect(scaffoldName(named, 4, 9)).toBe('assistant');
    expect(scaffoldName({ ...named, meta: { ...named.meta, tokens: [token('[INST] You are', true)] } }, 0, 1)).toBe(
      'template',
    );
  });

  it('part at what is shown', () => {
    const groups = foldsOf(plain(300), { room: 100, target: 299, carried: [], before: new Set() });
    const columns = foldColumns(groups, (position) => position === 100 || (position >= 200 && position < 220));
    expect(Array.from(columns.first).slice(0, 4)).toEqual([0, 100, 101, 200]);
    expect(columns.nColumns).toBe(3 + 20 + 2);
    expect(isFold(columns, columns.of[150]!)).toBe(true);
  });
});

describe('what a token carries', () => {
  const analysis = randomAnalysis({ nLayers: 3, nTokens: 30, seed: 3 });
  const routes = computeRoutes(sourceOfAnalysis(analysis), { target: 20, threshold: 0.03, renormalize: true });
  const carried = carriedBy(analysis, routes, null);

  it('is its strongest edge to or from another token', () => {
    const { edgeQuery, edgeKey } = analysis.columns;
    const most = new Float64Array(30);
    routes.kept.forEach((e, i) => {
      const ends = [edgeQuery[e]!, edgeKey[e]!];
      if (ends[0] !== ends[1]) for (const t of ends) most[t] = Math.max(most[t]!, routes.keptFlow[i]!);
    });
    const top = Math.max(...most);
    expect(Array.from(carried)).toEqual(Array.from(most, (value) => value / top));
    expect(Math.max(...carried.subarray(21))).toBe(0);
  });

  it('is its measured effect, where that is larger', () => {
    const units = { 'I1_25>A2_28': [null, 2], X0_27: [null, -3], X0_26: [null, 0.01] } as const;
    const table = effectTable(analysis, writtenEffects(28, units as never));
    const together = carriedBy(analysis, routes, table);
    expect([25, 26, 27, 28].map((t) => together[t]! > 0)).toEqual([true, false, true, true]);
  });

  it('is counted of what is folded', () => {
    const groups = foldsOf(analysis.meta.tokens, { room: 100, target: 20, carried, before: new Set() });
    const columns = foldColumns(groups, () => false);
    const folded = foldedIn(analysis, routes, columns);
    expect(folded.tokens).toBeGreaterThan(0);
    const { edgeQuery, edgeKey } = analysis.columns;
    const touches = (e: number): boolean =>
      edgeQuery[e] !== edgeKey[e] && [edgeQuery[e]!, edgeKey[e]!].some((t) => isFold(columns, columns.of[t]!));
    expect(folded.edges).toBe([...routes.kept].filter(touches).length);
    expect(folded.edges).toBeGreaterThan(0);
    expect([...folded.massOf].reduce((sum, mass) => sum + mass, 0)).toBeGreaterThan(0);
    const last = columns.of[29]!;
    expect(foldTitle(analysis, columns, last, folded, null)).toContain('no route touches them');
    expect(foldTitle(analysis, columns, columns.of[5]!, folded, null)).toMatch(/\d+ edges · flow that arrives 0/);
    expect(foldedIn(analysis, routes, singleColumns(30))).toMatchObject({ tokens: 0, edges: 0 });
  });
});

describe('a layout with folds', () => {
  const columns = columnsFor(plain(500), { 100: 1, 101: 1, 300: 1 });
  const layout = computeLayout({ width: 900, height: 600 }, columns.nColumns, 12, columns);
  const frame = frameOf(layout, homeCamera(layout, columns.of[499]!), columns.of);

  it('has narrow folds between equally wide columns, and finds each under the pointer', () => {
    for (let column = 0; column < columns.nColumns; column++) {
      const width = columnWidth(frame, column);
      expect(width).toBeCloseTo(isFold(columns, column) ? 18 : frame.dx, 6);
      for (const by of [-0.45, 0, 0.45])
        expect(columnAt(frame, columns.nColumns, columnX(frame, column) + by * width)).toBe(column);
    }
    expect(columnAt(frame, columns.nColumns, columnX(frame, -0.5) - 1)).toBe(-1);
    expect(visibleWindow(frame, 12, columns.nColumns)).toMatchObject({
      firstColumn: 0,
      lastColumn: columns.nColumns - 1,
    });
  });
});

describe('the folds of a long prompt', () => {
  let host: FakeHost;
  let store: Store;
  useLiveStore((newHost, newStore) => ([host, store] = [newHost, newStore]));
  let view: ReturnType<typeof createGraphView>;

  beforeEach(() => {
    host.say(analysisMessage({ nTokens: 400, nLayers: 3, density: 6 }));
    view = createGraphView(store);
    view.size.value = { width: 700, height: 500 };
    view.follow();
  });

  const isShown = (position: number): boolean => alone(view.columns.value, position);
  const hidden = (): number => {
    const { value: columns } = view.columns;
    const at = [...columns.kind!].findIndex((what, column) => what === FOLD && sizeOf(columns, column) > 9);
    return columns.first[at]! + 4;
  };
  const press = (key: string, ctrlKey = false): void => {
    const event = { key, ctrlKey, preventDefault: () => undefined } as unknown as KeyboardEvent;
    handleKey(event, { store, view, openFinder: () => undefined });
  };
  const inView = (position: number): boolean => {
    const { plot } = view.frame.value!;
    const x = columnX(view.frame.value!, view.columns.value.of[position]!);
    return x >= plot.x && x <= plot.x + plot.width;
  };

  it('show the ends of the ten strongest edges in view', () => {
    const { kept, keptFlow } = store.routes.value!;
    const { edgeQuery, edgeKey } = store.analysis.value!.columns;
    const order = [...kept.keys()].filter((i) => edgeQuery[kept[i]!] !== edgeKey[kept[i]!]);
    order.sort((a, b) => keptFlow[b]! - keptFlow[a]!);
    expect(order.length).toBeGreaterThan(10);
    for (const i of order.slice(0, 10)) {
      for (const t of [edgeQuery[kept[i]!]!, edgeKey[kept[i]!]!])
        expect([t, isShown(t), inView(t)]).toEqual([t, true, true]);
    }
    expect(view.pannable.value).toBe(false);
  });

  it('unfold and fold by hand, in place, are remembered and undone', () => {
    const position = hidden();
    view.openGroup(position, true);
    expect([position - 1, position, position + 1].map(isShown)).toEqual([true, true, true]);
    expect(inView(position)).toBe(true);
    vi.advanceTimersByTime(1000);
    const [first = 0, end = 0] = host.remembered.at(-1)?.opened ?? [];
    expect([first <= position, end > position]).toEqual([true, true]);
    host.say(analysisMessage({ nTokens: 400, nLayers: 3, density: 6 }, host.remembered.at(-1)));
    expect(isShown(position)).toBe(true);
    view.openGroup(position, false);
    expect(isShown(position)).toBe(false);
    // all has room again, and is there
    expect([view.pannable.value, inView(0), inView(399)]).toEqual([false, true, true]);
    press('z', true);
    expect(isShown(position)).toBe(true);
  });

  it('unfold where the keyboard is, and fold again', () => {
    const position = hidden();
    store.caret.value = `I1_${position}`;
    press('Enter');
    expect([isShown(position), store.selection.value]).toEqual([true, null]);
    press('g');
    expect(isShown(position)).toBe(false);
    press('g');
    expect(isShown(position)).toBe(true);
  });

  it('unfold all at once, and fold all but what carries', () => {
    const position = hidden();
    expect(view.changeColumns(store.unfoldAll)).toBe(true);
    expect(view.columns.value.nColumns).toBe(400);
    expect(inView(store.target.value)).toBe(true);
    view.changeColumns(store.unfoldAll);
    expect(isShown(position)).toBe(false);
    host.say(analysisMessage({ nTokens: 12 }));
    expect(view.changeColumns(store.unfoldAll)).toBe(false);
  });

  it('part at the selection, the cursor and what is found', () => {
    const position = hidden();
    store.select(`I1_${position}`);
    expect([position - 1, position, position + 1].map(isShown)).toEqual([false, true, false]);
    store.select(null);
    host.say({ type: 'cursor', position });
    expect(isShown(position)).toBe(true);
    host.say({ type: 'cursor', position: null });
    expect(isShown(position)).toBe(false);
    store.showToken(position);
    expect([position - 1, position].map(isShown)).toEqual([false, true]);
  });

  it('only lose tokens while the threshold is changed, once it rests', () => {
    host.say(analysisMessage({ nTokens: 150, nLayers: 2 }, { threshold: 0.06 }));
    const before = view.columns.value;
    store.setThreshold(0.02);
    expect(view.columns.value).toBe(before);
    vi.advanceTimersByTime(500);
    const more = view.columns.value;
    expect(more.nColumns).toBeGreaterThan(before.nColumns);
    store.setThreshold(0.06);
    vi.advanceTimersByTime(500);
    expect(view.columns.value).toBe(more);
    store.setThreshold('auto');
    store.setThreshold(0.06);
    vi.advanceTimersByTime(500);
    expect(view.columns.value).toBe(more);
  });

  it('say at the border where edges lead that leave the view', () => {
    view.changeColumns(store.unfoldAll);
    const chips = leavingEdges(store.shown.value!, view.frame.value!);
    expect(chips.length).toBeGreaterThan(0);
    expect(chips.every(({ side, position }) => side === 'left' && !inView(position))).toBe(true);
    const ys = chips.map(({ y }) => y);
    ys.slice(1).forEach((y, i) => expect(y - ys[i]!).toBeGreaterThanOrEqual(21 - 1e-6));
    const { position, layer } = chips[0]!;
    view.reveal(`I${layer}_${position}`);
    expect(inView(position)).toBe(true);
    const back = leavingEdges(store.shown.value!, view.frame.value!);
    expect(back.some(({ side }) => side === 'right')).toBe(true);
  });
});

it('a curve passes its ends and its middle', () => {
  expect(crossing(0, 10, 100, 30, 0)).toBeCloseTo(10, 3);
  expect(crossing(0, 10, 100, 30, 50)).toBeCloseTo(20, 3);
  expect(crossing(0, 10, 100, 30, 100)).toBeCloseTo(30, 3);
});

it('an edge between folded tokens is drawn, from fold to fold', () => {
  const analysis = randomAnalysis({ nLayers: 3, nTokens: 40, seed: 5 });
  const routes = computeRoutes(sourceOfAnalysis(analysis), { target: 39, threshold: 0.005, renormalize: true });
  const columns = columnsFor(analysis.meta.tokens, {}, { room: 100 });
  const { edges } = shownGraph(analysis, routes, 'flow', columns);
  for (let i = 0; i < edges.count; i++) {
    const isBack = isFold(columns, edges.query[i]!) || isFold(columns, edges.key[i]!);
    expect(edges.vivid![i]).toBe(isBack ? FOLDED : 1);
  }
  const members = [...edges.members!.subarray(0, edges.count)].reduce((sum, n) => sum + n, 0);
  expect(members).toBe(routes.kept.length);
});

describe('thousands of tokens with many edges', () => {
  const analysis = randomAnalysis({ nLayers: 8, nTokens: 1500, density: 40 });
  const routes = computeRoutes(sourceOfAnalysis(analysis), { target: 1499, threshold: 0.005, renormalize: true });
  const carried = carriedBy(analysis, routes, null);
  const groups = foldsOf(analysis.meta.tokens, { room: 800, target: 1499, carried, before: new Set() });
  const columns = foldColumns(groups, () => false);
  const took = (act: () => void): number => {
    const times = [0, 1, 2].map(() => {
      const began = performance.now();
      act();
      return performance.now() - began;
    });
    return Math.min(...times);
  };

  it('are counted once for all folds', () => {
    expect(routes.kept.length).toBeGreaterThan(50_000);
    const all = Array.from({ length: columns.nColumns }, (_, column) => column).filter((c) => isFold(columns, c));
    expect(all.length).toBeGreaterThan(20);
    const once = took(() => foldedIn(analysis, routes, columns));
    const folded = foldedIn(analysis, routes, columns);
    const titles = took(() => all.forEach((column) => foldTitle(analysis, columns, column, folded, null)));
    expect(titles).toBeLessThan(5 * once + 10);
  });

  it('are drawn as few lines, and no fold displaces an edge between columns', () => {
    const { edges, nEdges } = shownGraph(analysis, routes, 'flow', columns);
    expect(nEdges).toBeGreaterThan(edges.count);
    expect(edges.count).toBeLessThan(5000);
    const every = shownGraph(analysis, routes, 'flow', columns, null, Infinity).edges;
    const between = ({ query, key, ink, count }: typeof edges): number[] =>
      Array.from(ink.subarray(0, count)).filter((_, i) => !isFold(columns, query[i]!) && !isFold(columns, key[i]!));
    const strongest = between(every).sort((a, b) => b - a);
    expect(
      between(edges)
        .sort((a, b) => b - a)
        .slice(0, 200),
    ).toEqual(strongest.slice(0, 200));
  });
});
