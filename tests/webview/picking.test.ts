import { describe, expect, it } from 'vitest';
import { columnX, computeLayout, frameOf, homeCamera, levelY } from '../../webview/src/graph/layout';
import { distanceToEdge, ffnReach, loopReach } from '../../webview/src/graph/curves';
import { singleColumns } from '../../webview/src/groups/grouping';
import { shownGraph } from '../../webview/src/groups/shown';
import { pick } from '../../webview/src/graph/picking';
import { computeRoutes } from '../../webview/src/routes/routes';
import type { Analysis } from '../../webview/src/analysis/payload';
import { randomAnalysis, sourceOf, sourceOfAnalysis } from './sources';

/** Layer 1 has token 2 attend to token 0; layer 0 has token 0 attend to itself. */
function smallAnalysis(parallel = false): Analysis {
  const source = sourceOf(
    [
      [{ attention: [[0, [0.5]]], residual: 0.5, ffn: parallel ? 0 : 0.5, ffnResidual: parallel ? 0 : 0.5 }, {}, {}],
      [{}, {}, { attention: [[0, [0.6]]], residual: 0.4 }],
    ],
    parallel,
  );
  const { meta } = randomAnalysis({ nLayers: 2, nTokens: 3, parallel });
  return { meta, columns: source.columns, rowOffset: source.rowOffset };
}

function scene(analysis: Analysis, emphasis: Uint8Array | null = null) {
  const source = sourceOfAnalysis(analysis);
  const routes = computeRoutes(source, { target: source.nTokens - 1, threshold: 0.02, renormalize: true });
  const shown = shownGraph(analysis, routes, 'flow', singleColumns(source.nTokens), emphasis);
  const layout = computeLayout({ width: 700, height: 500 }, source.nTokens, source.nLayers);
  const frame = frameOf(layout, homeCamera(layout, 0));
  const at = (t: number, level: number, dx = 0, dy = 0): string | null =>
    pick(shown, frame, columnX(frame, t) + dx, levelY(frame, level) + dy);
  return { frame, shown, at };
}

describe('picking', () => {
  const { frame, shown, at } = scene(smallAnalysis());

  it('finds nodes after layers and after attention', () => {
    expect(at(2, 1)).toBe('I1_2');
    expect(at(2, 0.5, 2, -3)).toBe('A1_2');
    expect(at(0, -1)).toBe('X0_0');
  });

  it('finds an attention edge along its curve', () => {
    const middle = (columnX(frame, 0) + columnX(frame, 2)) / 2;
    expect(at(0, 0.25, middle - columnX(frame, 0), 2)).toBe('attention:I0_0>A1_2');
  });

  it('passes over edges that do not stand out', () => {
    const { at: pickMarked } = scene(smallAnalysis(), Uint8Array.from([0, 1]));
    expect(pickMarked(0, -0.75, -loopReach(frame.dx))).not.toBe('attention:X0_0>A0_0');
    const middle = (columnX(frame, 0) + columnX(frame, 2)) / 2;
    expect(pickMarked(0, 0.25, middle - columnX(frame, 0), 2)).toBe('attention:I0_0>A1_2');
  });

  it('finds the loop of a token that attends to itself', () => {
    expect(at(0, -0.75, -loopReach(frame.dx))).toBe('attention:X0_0>A0_0');
  });

  it('finds residual edges below and above attention', () => {
    expect(at(2, 0.25, 1)).toBe('residual:I0_2>A1_2');
    expect(at(2, 0.8, -2)).toBe('residual:A1_2>I1_2');
  });

  it('finds the square of a feed-forward block', () => {
    expect(at(0, -0.25, ffnReach(frame.dx))).toBe('M0_0');
  });

  it('finds nodes that no route reaches only near their dot', () => {
    expect(at(1, 1, 3)).toBe('I1_1');
    expect(at(1, 1, 9)).toBe(null);
  });

  it('finds nothing beside the plot', () => {
    expect(pick(shown, frame, 2, 2)).toBe(null);
  });

  it('names the edges of parallel blocks by what they lead into', () => {
    const parallel = scene(smallAnalysis(true));
    expect(parallel.at(2, 0.5)).toBe('residual:I0_2>I1_2');
    const middle = (columnX(parallel.frame, 2) - columnX(parallel.frame, 0)) / 2;
    expect(parallel.at(0, 0.5, middle)).toBe('attention:I0_0>I1_2');
  });
});

describe('distance to a curve', () => {
  it('is 0 at its ends and middle', () => {
    expect(distanceToEdge(0, 10, 0, 10, 100, 0, 12)).toBeCloseTo(0, 6);
    expect(distanceToEdge(100, 0, 0, 10, 100, 0, 12)).toBeCloseTo(0, 6);
    expect(distanceToEdge(50, 5, 0, 10, 100, 0, 12)).toBeLessThan(0.1);
    expect(distanceToEdge(50, 25, 0, 10, 100, 0, 12)).toBeGreaterThan(15);
  });

  it('reaches as far left as the loop says', () => {
    expect(distanceToEdge(-12, 0, 0, 10, 0, -10, 12)).toBeLessThan(0.2);
  });
});
