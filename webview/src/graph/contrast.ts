/** How opaque a colour has to be to be told from the ground: the contrast of WCAG 2, of colours as the editor gives them. */
import type { Palette } from './palette';

type Rgb = readonly [number, number, number];

/** Opacities of a colour over the ground. */
export interface Seen {
  /** The faintest mark is still seen. */
  least: number;
  /** A strong one is plain. */
  strong: number;
}

/** More than 1.5 and 3 to 1: thin lines lie between pixels, and on the band of the target. */
const LEAST_CONTRAST = 2.1;
const STRONG_CONTRAST = 4;
/** Where a colour is written in a way that is not read. */
const USUAL: Seen = { least: 0.4, strong: 0.85 };

/** "#ccc", "#cccccc80", "rgb(1 2 3)" → red, green, blue from 0 to 1, and opacity; null for any other form. */
export function parseColour(text: string): { rgb: Rgb; alpha: number } | null {
  const hex = /^#([\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$/i.exec(text.trim())?.[1];
  if (hex) {
    const each = hex.length < 6 ? [...hex].map((digit) => digit + digit) : (hex.match(/../g) ?? []);
    const [r = 0, g = 0, b = 0, a = 1] = each.map((part) => parseInt(part, 16) / 255);
    return { rgb: [r, g, b], alpha: a };
  }
  const inside = /^rgba?\(([^()]*)\)$/i.exec(text.trim())?.[1];
  const [r, g, b, a = 1] = (inside?.split(/[\s,/]+/) ?? [])
    .filter(Boolean)
    .map((part, i) => (part.endsWith('%') ? Number(part.slice(0, -1)) / 100 : Number(part) / (i < 3 ? 255 : 1)));
  if (r === undefined || g === undefined || b === undefined) return null;
  return [r, g, b, a].every(Number.isFinite) ? { rgb: [r, g, b], alpha: a } : null;
}

const linear = (part: number): number => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);

const luminance = ([r, g, b]: Rgb): number => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

export function contrastOf(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

const over = (colour: Rgb, ground: Rgb, alpha: number): Rgb =>
  colour.map((part, i) => alpha * part + (1 - alpha) * (ground[i] ?? 0)) as unknown as Rgb;

/** The least opacity at which the contrast is reached; 1 where it never is. */
function opacityFor(colour: Rgb, ground: Rgb, wanted: number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 12; i++) {
    const middle = (low + high) / 2;
    if (contrastOf(over(colour, ground, middle), ground) < wanted) low = middle;
    else high = middle;
  }
  return high;
}

const known = new WeakMap<Palette, Map<string, Seen>>();

/** For a colour of the palette; computed once. */
export function seenIn(palette: Palette, colour: string): Seen {
  const own = known.get(palette) ?? new Map<string, Seen>();
  known.set(palette, own);
  const found = own.get(colour) ?? seen(colour, palette.background);
  own.set(colour, found);
  return found;
}

function seen(colour: string, background: string): Seen {
  const [mark, ground] = [parseColour(colour), parseColour(background)];
  if (!mark || !ground) return USUAL;
  // a translucent colour needs more
  const of = (wanted: number): number => Math.min(1, opacityFor(mark.rgb, ground.rgb, wanted) / (mark.alpha || 1));
  return { least: of(LEAST_CONTRAST), strong: of(STRONG_CONTRAST) };
}
