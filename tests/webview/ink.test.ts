import { describe, expect, it } from 'vitest';
import { faintestDrawn } from '../../webview/src/groups/faintest';
import { crowdOpacity, inkStep, lineWidth, opacity, strengthOf } from '../../webview/src/graph/ink';

describe('ink', () => {
  it('grows with the number, in width and in opacity', () => {
    const strengths = [0.001, 0.02, 0.1, 0.4, 1].map((value) => strengthOf(inkStep(value)));
    for (const of of [lineWidth, opacity]) {
      const seen = strengths.map((strength) => of(strength, false));
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      expect(seen.at(-1)).toBeGreaterThan(2 * (seen[0] ?? 0));
    }
  });

  it('draws weak edges as hairlines and strong ones wide', () => {
    expect(lineWidth(strengthOf(inkStep(0.04)), false)).toBe(1);
    expect(lineWidth(strengthOf(inkStep(0.5)), false)).toBeGreaterThan(3);
  });

  it('makes weak edges fainter only where there are very many', () => {
    expect(crowdOpacity(60)).toBe(1);
    expect(crowdOpacity(1000)).toBe(1);
    expect(crowdOpacity(16_000)).toBe(0.25);
  });

  it('leaves out the faintest where more are kept than can be drawn', () => {
    const ink = Array.from({ length: 1000 }, (_, item) => (item + 1) / 1000);
    expect(faintestDrawn(ink, 1000, 1000)).toBe(0);
    const least = faintestDrawn(ink, 1000, 100);
    const drawn = ink.filter((value) => value >= least).length;
    expect(drawn).toBeGreaterThan(50);
    expect(drawn).toBeLessThan(200);
  });
});
