import { describe, expect, it } from 'vitest';
import { faintestDrawn } from '../../webview/src/groups/faintest';
import { contrastOf, parseColour, seenIn } from '../../webview/src/graph/contrast';
import { crowdOpacity, inkStep, lineWidth, opacity, plainFrom, strengthOf } from '../../webview/src/graph/ink';
import type { Palette } from '../../webview/src/graph/palette';

describe('ink', () => {
  it('grows with the number, in width and in opacity', () => {
    const strengths = [0.001, 0.02, 0.1, 0.4, 1].map((value) => strengthOf(inkStep(value)));
    for (const plain of [0.2, 0.55]) {
      for (const of of [
        (strength: number) => lineWidth(strength, false, plain),
        (strength: number) => opacity(strength, { least: 0.3, strong: 0.7 }, plain),
      ]) {
        const seen = strengths.map(of);
        expect(seen).toEqual([...seen].sort((a, b) => a - b));
        expect(seen.at(-1)).toBeGreaterThan(2 * (seen[0] ?? 0));
      }
    }
  });

  it('makes the ten strongest plain, whatever their size, and any other at least seen', () => {
    const seen = { least: 0.3, strong: 0.7 };
    // ten of step 2, below them a hundred of step 0
    const plain = plainFrom([100, 0, 10, 0]);
    expect(plain).toBe(strengthOf(2));
    expect(opacity(strengthOf(2), seen, plain)).toBeGreaterThanOrEqual(seen.strong);
    expect(lineWidth(strengthOf(2), false, plain)).toBeGreaterThan(1.5);
    expect(opacity(strengthOf(0), seen, plain)).toBeGreaterThanOrEqual(seen.least);
    expect(opacity(strengthOf(0), seen, plain)).toBeLessThan(seen.strong);
    expect(plainFrom([3])).toBe(strengthOf(0));
    // a strong one is plain also where many are stronger
    expect(plainFrom([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40])).toBe(0.55);
  });

  it.each([
    ['#1f1f1f', '#3794ff'],
    ['#ffffff', '#1a85ff'],
    ['#000', 'rgb(204, 204, 204)'],
    ['#1f1f1f', '#cccccc80'],
    ['rgb(255 255 255)', '#b180d7'],
  ])('finds the opacity that is seen on %s of %s', (background, colour) => {
    const { least, strong } = seenIn({ background } as Palette, colour);
    const [ground, mark] = [parseColour(background), parseColour(colour)];
    if (!ground || !mark) throw new Error('not read');
    const at = (alpha: number) =>
      contrastOf(
        mark.rgb.map((part, i) => alpha * mark.alpha * part + (1 - alpha * mark.alpha) * (ground.rgb[i] ?? 0)) as never,
        ground.rgb,
      );
    expect(at(least)).toBeGreaterThan(2.05);
    expect(least).toBeLessThan(strong);
    if (strong < 1) expect(at(strong)).toBeGreaterThan(3.9);
  });

  it('draws with usual opacities in a colour that it cannot read', () => {
    expect(parseColour('color-mix(in srgb, red 40%, blue)')).toBeNull();
    const { least, strong } = seenIn({ background: '#fff' } as Palette, 'hsl(1 2% 3%)');
    expect(least).toBeGreaterThan(0.3);
    expect(strong).toBeGreaterThan(least);
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
