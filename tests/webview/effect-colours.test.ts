// @vitest-environment happy-dom
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

type Rgb = [number, number, number];

const css = readFileSync('webview/src/styles/base.css', 'utf8');
const GROUNDS = {
  dark: ':root',
  light: ':root:has(.vscode-light)',
  highContrast: ':root:has(.vscode-high-contrast)',
  highContrastLight: ':root:has(.vscode-high-contrast-light)',
};

/** Linear light, 0 … 1. */
function rgb(hex: string): Rgb {
  const part = (at: number): number => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

const luminance = ([r, g, b]: Rgb): number => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(rgb(a)), luminance(rgb(b))].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** What eyes without one kind of cone see (Viénot et al. 1999; Brettel's first half-plane for blue), in linear light. */
const SEEN: Record<string, number[][]> = {
  protan: [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
  deutan: [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
  tritan: [[1.01277, 0.13548, -0.14826], [-0.01243, 0.86812, 0.14431], [0.07589, 0.805, 0.11911]],
}; // prettier-ignore

/** CIE Lab of linear light, D65. */
function lab([r, g, b]: Rgb): Rgb {
  const bent = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = bent((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = bent(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = bent((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function distance(a: string, b: string, matrix: number[][]): number {
  const seen = (hex: string): Rgb =>
    lab(
      matrix.map((row) =>
        Math.max(
          0,
          row.reduce((sum, weight, i) => sum + weight * (rgb(hex)[i] ?? 0), 0),
        ),
      ) as Rgb,
    );
  const [from, to] = [seen(a), seen(b)];
  return Math.hypot(...from.map((value, i) => value - (to[i] ?? 0)));
}

describe.each(Object.entries(GROUNDS))('the two hues of effects in %s', (theme, selector) => {
  const rule = css.slice(css.indexOf(`${selector} {`)).split('}')[0] ?? '';
  const colour = (name: string): string => new RegExp(`--lmt-${name}: (#[0-9a-f]{6})`).exec(rule)?.[1] ?? '';
  const look = JSON.parse(readFileSync(`tests/vectors/panel/theme-${theme}.json`, 'utf8')) as {
    variables: Record<string, string>;
  };
  const ground = look.variables['--vscode-editor-background'] ?? '';

  it('stand out from the ground', () => {
    for (const name of ['supports', 'opposes']) expect(contrast(colour(name), ground)).toBeGreaterThan(3);
  });

  it('differ enough for colour-blind readers', () => {
    for (const matrix of Object.values(SEEN))
      expect(distance(colour('supports'), colour('opposes'), matrix)).toBeGreaterThan(20);
  });
});
