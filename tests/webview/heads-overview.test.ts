// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { computeRoutes } from '../../webview/src/routes/routes';
import { edgesOfHead, headTotals, strongestEdges } from '../../webview/src/routes/headTotals';
import { tagTable } from '../../webview/src/views/headTags';
import { fitsLetters, headAt, headsFrame, headX, labelledHeads, layerY } from '../../webview/src/views/headsLayout';
import { packedNumbers } from '../../webview/dev/views';
import { randomAnalysis, sourceOf, sourceOfAnalysis } from './sources';

/** One layer, two tokens, two heads: the second token attends to the first (0.3 and 0.1) and to itself (0.2 and 0). */
const small = sourceOf([[{ residual: 1 }, { residual: 0.4, attention: [[0, [0.3, 0.1]], [1, [0.2, 0]]] }]]); // prettier-ignore

describe('the contribution of each head', () => {
  it('shares the flow of an edge by the kept contributions of its heads', () => {
    const routes = computeRoutes(small, { target: 1, threshold: 0.05, renormalize: true });
    const [h0, h1] = headTotals(small, routes, 2, 'flow');
    // the row sums to 1: flows are the contributions themselves
    expect(h0).toBeCloseTo(0.5, 6);
    expect(h1).toBeCloseTo(0.1, 6);
  });

  it('counts nothing of a head whose part the threshold drops', () => {
    const routes = computeRoutes(small, { target: 1, threshold: 0.15, renormalize: true });
    const [h0, h1] = headTotals(small, routes, 2, 'flow');
    expect(h1).toBe(0);
    expect(h0).toBeCloseTo(0.5 / 0.9, 6);
    expect(Array.from(headTotals(small, routes, 2, 'local'))).toEqual([expect.closeTo(0.5, 6), 0]);
  });

  it('sums over all heads to the flow of all kept attention edges', () => {
    const analysis = randomAnalysis({ nLayers: 6, nTokens: 12 });
    const source = sourceOfAnalysis(analysis);
    const routes = computeRoutes(source, { target: 11, threshold: 0.02, renormalize: true });
    const all = headTotals(source, routes, 9, 'flow').reduce((a, b) => a + b, 0);
    const flow = routes.kept.reduce((sum, e) => sum + (routes.attentionFlow[e] ?? 0), 0);
    expect(flow).toBeGreaterThan(0.1);
    expect(all).toBeCloseTo(flow, 9);
  });

  it('marks the edges with a kept part of the head, and lists them by flow', () => {
    expect(Array.from(edgesOfHead(small, { layer: 0, head: 1 }, 0.05, true))).toEqual([1, 0]);
    expect(Array.from(edgesOfHead(small, { layer: 0, head: 1 }, 0.15, true))).toEqual([0, 0]);
    // not renormalised, the threshold is for whole edges: every listed part stays
    expect(Array.from(edgesOfHead(small, { layer: 0, head: 1 }, 0.15, false))).toEqual([1, 0]);
    const routes = computeRoutes(small, { target: 1, threshold: 0.05, renormalize: true });
    const edges = strongestEdges(small, routes, { layer: 0, head: 0 }, 5);
    expect(edges.map(({ edge }) => edge)).toEqual([0, 1]);
    expect(edges[0]?.contribution).toBeCloseTo(0.3, 6);
    expect(edges[0]?.flow).toBeCloseTo(0.3, 6);
    expect(strongestEdges(small, routes, { layer: 0, head: 0 }, 1)).toHaveLength(1);
  });
});

describe('the tags of heads', () => {
  const scores = Float32Array.from([0.1, 0.9, 0.45, 0.2, 0.3, 0.39]);
  const result = {
    tags: ['previous', 'first', 'self'] as ('previous' | 'first' | 'self')[],
    nTokens: 64,
    scores: packedNumbers(scores, [1, 2, 3]),
  };

  it('names the strongest score from 0.4 on, and no weaker one', () => {
    const tags = tagTable(result, 1, 2);
    expect(tags.strongest({ layer: 0, head: 0 })).toEqual({ tag: 'first', score: expect.closeTo(0.9, 5) as number });
    expect(tags.strongest({ layer: 0, head: 1 })).toBe(null);
    // resting on the first token is no mark
    expect(tags.marked({ layer: 0, head: 0 })).toEqual({ tag: 'self', score: expect.closeTo(0.45, 5) as number });
    expect(tags.marked({ layer: 0, head: 1 })).toBe(null);
    expect(tags.of({ layer: 0, head: 1 }).map(({ tag }) => tag)).toEqual(['previous', 'first', 'self']);
  });

  it('refuses scores of another model', () => {
    expect(() => tagTable(result, 2, 2)).toThrow(/shape/);
  });
});

describe('the place of a head', () => {
  it.each([
    [30, 9, 520, 460],
    [80, 64, 500, 300],
    [1, 1, 300, 200],
  ])('is found again from its middle: %i layers by %i heads', (nLayers, nHeads, width, height) => {
    const frame = headsFrame({ width, height }, nLayers, nHeads);
    for (const at of [
      { layer: 0, head: 0 },
      { layer: nLayers - 1, head: nHeads - 1 },
    ]) {
      const x = headX(frame, at.head) + frame.cellWidth / 2;
      const y = layerY(frame, at.layer) + frame.cellHeight / 2;
      expect(headAt(frame, x, y)).toEqual(at);
      expect(x).toBeLessThan(width);
      expect(y).toBeLessThan(height);
    }
    expect(headAt(frame, frame.x - 1, frame.y + 1)).toBe(null);
    expect(labelledHeads(frame)[0]).toBe(0);
  });

  it('has a letter for each tag, or for none', () => {
    expect(fitsLetters(headsFrame({ width: 520, height: 460 }, 30, 9))).toBe(true);
    expect(fitsLetters(headsFrame({ width: 520, height: 340 }, 30, 9))).toBe(false);
    expect(fitsLetters(headsFrame({ width: 300, height: 460 }, 30, 64))).toBe(false);
  });

  it('labels every fifth head of 64 on a narrow stage', () => {
    expect(labelledHeads(headsFrame({ width: 500, height: 300 }, 80, 64)).slice(0, 3)).toEqual([0, 5, 10]);
  });
});
