import { describe, expect, it, vi } from 'vitest';
import type { ToWebview, ViewState } from '../../extension/shared/webview';
import { syntheticPayload } from '../../webview/dev/synthetic';
import { exists } from '../../webview/src/words/describe';
import { neighbour } from '../../webview/src/graph/keyboard';
import { NO_HISTORY, step, visit } from '../../webview/src/store/history';
import { around, baseOf, detailOf, edgeName, expertOf, parseEdge, parseNode } from '../../webview/src/words/names';
import { withDetail, withExpert } from '../../webview/src/words/names';
import { decodeAnalysis } from '../../webview/src/analysis/payload';
import { analysisMessage, type FakeHost } from './host';
import { useLiveStore, type Store } from './liveStore';
import { randomAnalysis } from './sources';

describe('history', () => {
  it('goes back and forward, and forgets what lay ahead', () => {
    let history = ['a', 'b', 'c'].reduce(visit, NO_HISTORY);
    history = step(history, -1) ?? history;
    expect(history.entries[history.at]).toBe('b');
    history = visit(history, 'd');
    expect(history.entries).toEqual(['a', 'b', 'd']);
    expect(step(history, 1)).toBe(null);
    expect(step(NO_HISTORY, -1)).toBe(null);
  });

  it('does not note the same selection twice, nor more than a hundred', () => {
    expect(visit(visit(NO_HISTORY, 'a'), 'a').entries).toEqual(['a']);
    const long = Array.from({ length: 300 }, (_, i) => `${i}`).reduce(visit, NO_HISTORY);
    expect(long.entries).toHaveLength(100);
    expect(long.entries[long.at]).toBe('299');
  });
});

describe('names', () => {
  it('are read as they are written', () => {
    for (const name of ['attention:I22_2>A23_14', 'residual:X0_3>A0_3', 'ffn:M1_2>I1_2', 'bias:B4_0>A4_0']) {
      const edge = parseEdge(name);
      expect(edge && edgeName(edge)).toBe(name);
    }
    for (const wrong of ['', 'X1_2', 'Q0_1', 'I1', 'attention:I1_2', '<b>']) {
      expect(parseNode(wrong)).toBe(null);
      expect(parseEdge(wrong)).toBe(null);
    }
  });
});

describe('selections inside of a selection', () => {
  it('are a number after the node or the edge', () => {
    expect(detailOf('M12_5#831')).toBe(831);
    expect(baseOf('attention:I22_2>A23_14#4')).toBe('attention:I22_2>A23_14');
    expect(parseNode('M12_5#831')).toEqual({ letter: 'M', layer: 12, position: 5 });
    expect(withDetail('M12_5#831', 7)).toBe('M12_5#7');
    expect([detailOf('M12_5'), withDetail('M12_5#831', null)]).toEqual([null, 'M12_5']);
  });

  it('are an expert of a feed-forward block, and a neuron of it', () => {
    for (const name of ['M12_5@3', 'M12_5@shared', 'M12_5@shared2', 'M12_5@3#17']) {
      expect(parseNode(name)).toEqual({ letter: 'M', layer: 12, position: 5 });
      expect(baseOf(name)).toBe('M12_5');
    }
    expect(['M12_5@3', 'M12_5@shared#9', 'M12_5#831'].map(expertOf)).toEqual(['3', 'shared', null]);
    expect([detailOf('M12_5@3'), detailOf('M12_5@3#17')]).toEqual([null, 17]);
    expect([withExpert('M12_5#831', '7'), withDetail('M12_5@3#1', 17)]).toEqual(['M12_5@7', 'M12_5@3#17']);
    expect(['M12_5@3#17', 'M12_5@3', 'M12_5#831', 'M12_5'].map(around)).toEqual(['M12_5@3', 'M12_5', 'M12_5', null]);
    for (const wrong of ['I1_2@3', 'M1_2@', 'M1_2@x', 'M1_2@shared#', 'M1_2@3@4']) expect(parseNode(wrong)).toBe(null);
  });

  it('are kept only where the model has that expert', () => {
    const analysis = decodeAnalysis(syntheticPayload({ nLayers: 2, nTokens: 4, nExperts: [0, 8] }));
    const kept = ['M1_2@7', 'M1_2@shared', 'M1_2@7#17', 'M1_2#3', 'M1_2@8', 'M0_2@1'].map((n) => exists(analysis, n));
    expect(kept).toEqual([true, true, true, true, false, false]);
  });
});

describe('arrow keys', () => {
  const { meta } = randomAnalysis({ nLayers: 3, nTokens: 4 });
  it('move along tokens and layers and stop at the rim', () => {
    expect(neighbour(meta, 'I1_2', 'left', false)).toBe('I1_1');
    expect(neighbour(meta, 'I1_3', 'right', false)).toBe('I1_3');
    expect(neighbour(meta, 'I2_0', 'up', false)).toBe('I2_0');
    expect(neighbour(meta, 'I0_0', 'down', false)).toBe('X0_0');
    expect(neighbour(meta, 'X0_0', 'up', false)).toBe('I0_0');
    expect(neighbour(meta, 'A1_1', 'down', false)).toBe('A0_1');
  });

  it('visit every node with shift', () => {
    const way = ['X0_1'];
    for (let i = 0; i < 5; i++) way.push(neighbour(meta, way[i] ?? '', 'up', true));
    expect(way).toEqual(['X0_1', 'A0_1', 'M0_1', 'I0_1', 'A1_1', 'M1_1']);
    expect(neighbour(meta, 'X0_1', 'down', true)).toBe('X0_1');
    expect(neighbour(meta, 'A0_1', 'down', true)).toBe('X0_1');
  });
});

const analysis = (view: Partial<ViewState> | null = null): ToWebview => analysisMessage({}, view);

describe('the store', () => {
  let host: FakeHost;
  let store: Store;
  useLiveStore((...made) => ([host, store] = made));

  it('goes from empty over loading to ready', () => {
    expect(store.phase.value.kind).toBe('empty');
    host.say({ type: 'progress', message: 'layer 1', fraction: 0.5 });
    expect(store.phase.value.kind).toBe('loading');
    host.say(analysis());
    expect(store.phase.value.kind).toBe('ready');
    expect(store.target.value).toBe(7);
    expect(store.threshold.value).toBe('auto');
    expect(store.routes.value?.mass[4 * 8 + 7]).toBe(1);
  });

  it('says what is wrong with a payload instead of showing it', () => {
    host.say({ type: 'analysis', runId: 'r', title: 't', payload: new ArrayBuffer(3), view: null });
    expect(store.phase.value).toMatchObject({ kind: 'failure', actions: [{ action: 'retry' }, { action: 'showLog' }] });
  });

  it('keeps what is looked at while the prompt is edited, and a target at the end at the end', () => {
    host.say(analysis());
    store.setThreshold(0.1);
    store.select('I2_3');
    store.view.value = 'heads';
    host.say({ type: 'updating', message: 'Updating' });
    expect([store.phase.value.kind, store.updating.value?.message]).toEqual(['ready', 'Updating']);
    const afresh = store.afresh.value;
    host.say({ ...(analysisMessage({ nTokens: 9 }) as object), edited: true } as ToWebview);
    expect(store.updating.value).toBeNull();
    expect([store.target.value, store.threshold.value, store.selection.value, store.view.value]).toEqual([
      8,
      0.1,
      'I2_3',
      'heads',
    ]);
    expect(store.history.value.entries).toEqual(['I2_3']);
    expect(store.afresh.value).toBe(afresh);
    store.setTarget(2);
    host.say({ ...(analysisMessage({ nTokens: 3 }) as object), edited: true } as ToWebview);
    expect([store.target.value, store.selection.value]).toEqual([2, null]);
    host.say(analysis());
    expect([store.threshold.value, store.afresh.value]).toEqual(['auto', afresh + 1]);
  });

  it('restores a view, and what of it still fits', () => {
    host.say(analysis({ target: 3, threshold: 0.03, renormalize: false, ink: 'local', selection: 'I2_3' }));
    expect([store.target.value, store.tau.value, store.renormalize.value, store.ink.value]).toEqual([
      3,
      0.03,
      false,
      'local',
    ]);
    expect(store.selection.value).toBe('I2_3');
    host.say(analysis({ target: 99, threshold: 7, selection: 'I44_3' }));
    expect([store.target.value, store.tau.value, store.selection.value]).toEqual([7, 0.9, null]);
    host.say(analysis({ target: -1.5, selection: 'attention:I1_9>A2_1' }));
    expect([store.target.value, store.selection.value]).toEqual([7, null]);
  });

  it('keeps typed thresholds between 0.005 and 0.9', () => {
    for (const [typed, kept] of [
      [0, 0.005],
      [2, 0.9],
      [0.07, 0.07],
    ] as const) {
      store.setThreshold(typed);
      expect(store.threshold.value).toBe(kept);
    }
    store.setThreshold(Number.NaN);
    expect(store.threshold.value).toBe(0.07);
  });

  it('takes no target outside of the prompt', () => {
    host.say(analysis());
    for (const position of [-1, 8]) store.setTarget(position);
    expect(store.target.value).toBe(7);
    store.setTarget(2);
    expect(store.routes.value?.target).toBe(2);
  });

  it('travels through selections', () => {
    host.say(analysis());
    for (const name of ['I1_1', 'I2_2', 'I3_3']) store.select(name);
    store.travel(-1);
    store.travel(-1);
    expect(store.selection.value).toBe('I1_1');
    store.travel(-1);
    expect(store.selection.value).toBe('I1_1');
    store.travel(1);
    expect(store.selection.value).toBe('I2_2');
  });

  it('reports the selected token to the host, and remembers the view once it settles', () => {
    host.say(analysis());
    store.select('attention:I1_3>A2_6');
    expect(host.toldOf('selected').at(-1)).toEqual({ type: 'selected', position: 3 });
    store.setThreshold(0.02);
    store.setThreshold(0.03);
    vi.advanceTimersByTime(1000);
    expect(host.remembered).toHaveLength(1);
    expect(host.remembered[0]).toMatchObject({ threshold: 0.03, selection: 'attention:I1_3>A2_6', target: 7 });
  });

  it('reports actions, and the heat of the flow only while it is on', () => {
    host.say(analysis());
    store.act('selectModel');
    expect(host.told).toContainEqual({ type: 'action', action: 'selectModel' });
    expect(host.toldOf('heat').every((notice) => notice.masses === null)).toBe(true);
    store.heat.value = true;
    const masses = host.toldOf('heat').at(-1)?.masses ?? [];
    expect(masses).toHaveLength(8);
    expect(masses.reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
  });

  it('forgets pin and rival with the next analysis', () => {
    host.say(analysis());
    store.pinned.value = 'I1_1';
    store.rival.value = { id: 3, text: ' x' };
    host.say(analysis());
    expect([store.pinned.value, store.rival.value]).toEqual([null, null]);
  });

  it('follows the editor and the backend', () => {
    host.say(analysis());
    host.say({ type: 'cursor', position: 2 });
    expect(store.editorPosition.value).toBe(2);
    host.say({ type: 'offline', offline: true, message: 'gone' });
    expect(store.offline.value).toBe('gone');
    expect(store.phase.value.kind).toBe('ready');
  });

  it('lets lists settle while the slider moves', () => {
    host.say(analysis());
    const before = store.settledRoutes.value;
    store.setThreshold(0.09);
    expect(store.settledRoutes.value).toBe(before);
    vi.advanceTimersByTime(200);
    expect(store.settledRoutes.value).toBe(store.routes.value);
  });
});
