/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { describe, expect, it } from 'vitest';
import { AUTO_EDGES, AUTO_HIGHEST, AUTO_LOWEST, autoThreshold } from '../../webview/src/routes/auto';
import { computeRoutes } from '../../webview/src/routes/routes';
import type { Routes, RouteRules } from '../../webview/src/routes/routes';
import { plainRoutes } from './oracle';
import { namedEdges } from './named';
import { randomAnalysis, sourceOf, sourceOfAnalysis } from './sources';

const rules = (change: Partial<RouteRules> = {}): RouteRules => ({
  target: 0,
  threshold: 0.1,
  renormalize: true,
  ...change,
});

/** Where all the mass went. */
const arrived = (routes: Routes, nTokens: number): number =>
  routes.mass.subarray(0, nTokens).reduce((a, b) => a + b, 0) + routes.biasMass + routes.endedMass;

describe('renormalising', () => {
  it('drops what is at or under the threshold and divides the rest by its sum (worked value of the method)', () => {
    const source = sourceOf([[{}, { attention: [[0, [0.05, 0.15]]], residual: 0.8 }]]);
    const routes = computeRoutes(source, rules({ target: 1 }));
    expect(routes.attention[0]).toBeCloseTo(0.15 / 0.95, 6);
    expect(routes.residual[1]).toBeCloseTo(0.8 / 0.95, 6);
    expect(routes.mass[0]).toBeCloseTo(0.15 / 0.95, 6);
    expect(routes.mass[1]).toBeCloseTo(0.8 / 0.95, 6);
  });

  it('drops a contribution that equals the threshold, in float32 as it is stored', () => {
    const source = sourceOf([[{}, { attention: [[0, [0.1]]], residual: 0.9 }]]);
    expect(computeRoutes(source, rules({ target: 1 })).attention[0]).toBe(0);
  });

  it('drops every head of an edge whose sum exceeds the threshold but whose heads do not', () => {
    const source = sourceOf([[{}, { attention: [[0, [0.08, 0.08]]], residual: 0.84 }]]);
    const routes = computeRoutes(source, rules({ target: 1 }));
    expect(routes.attention[0]).toBe(0);
    expect(routes.residual[1]).toBe(1);
    expect(routes.crossEdges).toBe(0);
  });
});

describe('not renormalising', () => {
  const source = sourceOf([[{}, { attention: [[0, [0.08, 0.08]]], residual: 0.75, bias: 0.09 }]]);
  const routes = computeRoutes(source, rules({ target: 1, renormalize: false }));

  it('keeps token edges by the sum over heads, with their raw weight', () => {
    expect(routes.attention[0]).toBeCloseTo(0.16, 6);
    expect(routes.residual[1]).toBeCloseTo(0.75, 6);
    expect(routes.bias[1]).toBe(0);
  });

  it('still passes all the mass on', () => {
    expect(routes.attentionFlow[0]).toBeCloseTo(0.16 / 0.91, 6);
    expect(arrived(routes, 2)).toBeCloseTo(1, 9);
  });
});

describe('the sweep', () => {
  it('ends at a row in which nothing exceeds the threshold', () => {
    const dead = { attention: [[0, [0.05]]] as [number, number[]][], residual: 0.05 };
    const routes = computeRoutes(
      sourceOf([
        [{}, dead],
        [{}, {}],
      ]),
      rules({ target: 1 }),
    );
    expect(routes.endedMass).toBe(1);
    expect(routes.reached[1]).toBe(0);
    expect(routes.reached[0]).toBe(0);
  });

  it('ends at a feed-forward row in which nothing exceeds the threshold', () => {
    const routes = computeRoutes(sourceOf([[{ ffn: 0.1, ffnResidual: 0.1 }]]), rules());
    expect(routes.endedMass).toBe(1);
    expect(routes.reachedAttention[0]).toBe(0);
  });

  it('leaves out what the target does not reach', () => {
    const feeding = { attention: [[0, [0.5]]] as [number, number[]][], residual: 0.5 };
    const routes = computeRoutes(sourceOf([[{}, feeding, feeding]]), rules({ target: 2 }));
    expect(Array.from(routes.attention)).toEqual([0, 0.5]);
    expect(Array.from(routes.kept)).toEqual([1]);
  });

  it('treats a bias as a leaf', () => {
    const routes = computeRoutes(sourceOf([[{ residual: 0.75, bias: 0.25 }]]), rules());
    expect(routes.biasFlow[0]).toBeCloseTo(0.25, 6);
    expect(routes.mass[0]).toBeCloseTo(0.75, 6);
    expect(arrived(routes, 1)).toBeCloseTo(1, 9);
  });

  it('keeps attention to oneself and the residual apart, and counts only edges between different tokens', () => {
    const routes = computeRoutes(sourceOf([[{ attention: [[0, [0.4]]], residual: 0.6 }]]), rules());
    expect(routes.attentionFlow[0]).toBeCloseTo(0.4, 6);
    expect(routes.residualFlow[0]).toBeCloseTo(0.6, 6);
    expect(routes.crossEdges).toBe(0);
    expect(routes.mass[0]).toBeCloseTo(1, 9);
  });

  it('sends the mass of a feed-forward block on to its node after attention', () => {
    const routes = computeRoutes(sourceOf([[{ ffn: 0.25, ffnResidual: 0.75 }]]), rules());
    expect(routes.ffnFlow[0]).toBeCloseTo(0.25, 6);
    expect(routes.ffnResidualFlow[0]).toBeCloseTo(0.75, 6);
    expect(routes.residualFlow[0]).toBeCloseTo(1, 9);
  });

  it('gives a parallel block one denominator, and hangs its feed-forward block from the residual below', () => {
    const row = { attention: [[0, [0.3]]] as [number, number[]][], residual: 0.4, bias: 0.05, ffn: 0.25 };
    const routes = computeRoutes(sourceOf([[{}, row]], true), rules({ target: 1 }));
    expect(routes.attention[0]).toBeCloseTo(0.3 / 0.95, 6);
    expect(routes.ffn[1]).toBeCloseTo(0.25 / 0.95, 6);
    expect(routes.mass[1]).toBeCloseTo(0.65 / 0.95, 6);
    expect(routes.reachedAttention[1]).toBe(0);
    expect(arrived(routes, 2)).toBeCloseTo(1, 9);
  });
});

describe('on random analyses', () => {
  const cases = [1, 2, 3, 4, 5, 6].flatMap((seed) =>
    [0.005, 0.02, 0.08, 0.3].flatMap((threshold) =>
      [true, false].map((renormalize) => ({ seed, threshold, renormalize, parallel: seed % 3 === 0 })),
    ),
  );

  it.each(cases)('agrees with the plain way and conserves mass: $seed $threshold $renormalize', (given) => {
    const { seed, threshold, renormalize, parallel } = given;
    const source = sourceOfAnalysis(randomAnalysis({ nLayers: 3, nTokens: 5 + seed, nHeads: 3, seed, parallel }));
    const target = source.nTokens - 1 - (seed % 3);
    const routes = computeRoutes(source, { target, threshold, renormalize });
    const plain = plainRoutes(source, { target, threshold, renormalize });
    const fast = namedEdges(source, routes);
    expect([...fast.keys()].sort()).toEqual([...plain.edges.keys()].sort());
    for (const [name, edge] of plain.edges) {
      expect(fast.get(name)![0]).toBeCloseTo(edge.weight, 9);
      expect(fast.get(name)![1]).toBeCloseTo(edge.flow, 9);
    }
    expect(routes.endedMass).toBeCloseTo(
      [...plain.ended].reduce((sum, [node, mass]) => (/^[XB]/.test(node) ? sum : sum + mass), 0),
      9,
    );
    expect(arrived(routes, source.nTokens)).toBeCloseTo(1, 9);
  });
});

describe('auto threshold', () => {
  const source = sourceOfAnalysis(randomAnalysis({ nLayers: 12, nTokens: 24, seed: 3 }));

  it.each([
    { target: 23, renormalize: true },
    { target: 3, renormalize: false },
  ])('is the smallest one that keeps at most 60 edges: %o', ({ target, renormalize }) => {
    const edges = (threshold: number): number => computeRoutes(source, { target, threshold, renormalize }).crossEdges;
    const tau = autoThreshold(source, target, renormalize);
    expect(tau).toBeGreaterThan(AUTO_LOWEST);
    expect(edges(tau)).toBeLessThanOrEqual(AUTO_EDGES);
    expect(edges(tau - 1e-4)).toBeGreaterThan(AUTO_EDGES);
  });

  it('is the lowest where few edges are above it', () => {
    expect(autoThreshold(source, 0, true)).toBe(AUTO_LOWEST);
  });

  it('is the highest where none suffices', () => {
    const row = (t: number) => ({
      attention: Array.from({ length: t + 1 }, (_, k): [number, number[]] => [k, [0.2]]),
      residual: 0.2,
    });
    const dense = sourceOf(Array.from({ length: 4 }, () => Array.from({ length: 12 }, (_, t) => row(t))));
    expect(autoThreshold(dense, 11, true)).toBe(AUTO_HIGHEST);
  });
});
