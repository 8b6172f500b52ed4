/** The colours of a map: one hue over the background, read from the theme once. */
import { readPalette } from '../graph/palette';
import { LEVELS } from './cells';

type Rgb = [number, number, number];

/** Up to here the hue grows out of the background; from here on towards the strongest contrast. */
const FULL_AT = 0.72;
/** How far the strongest ink goes beyond the pure hue. */
const BEYOND = 0.55;

const mix = (a: Rgb, b: Rgb, part: number): Rgb => [0, 1, 2].map((i) => a[i]! + (b[i]! - a[i]!) * part) as Rgb; // eslint-disable-line @typescript-eslint/no-non-null-assertion
const packed = ([r, g, b]: Rgb): number =>
  ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;

interface Tones {
  background: Rgb;
  foreground: Rgb;
  hue: Rgb;
  light: boolean;
  contrast: boolean;
}

/** One colour per level, as a pixel's bytes; level 0 is faintly visible, so that the triangle shows. */
export function inksOf({ background, foreground, hue, light, contrast }: Tones): Uint32Array {
  const strongest = mix(hue, light ? [0, 0, 0] : [255, 255, 255], BEYOND);
  const least = contrast ? 0.22 : 0.07;
  return Uint32Array.from({ length: LEVELS }, (_, level) => {
    if (level === 0) return packed(mix(background, foreground, contrast ? 0.12 : 0.045));
    const t = level / (LEVELS - 1);
    if (t > FULL_AT) return packed(mix(hue, strongest, (t - FULL_AT) / (1 - FULL_AT)));
    return packed(mix(background, hue, least + ((1 - least) * t) / FULL_AT));
  });
}

/** The inks that were read last, by the colours they came from: a layer has many maps, and one theme. */
let last: { colours: string; inks: Uint32Array } | null = null;

/** The inks of the theme that an element is shown in. */
export function readInks(element: HTMLElement): Uint32Array {
  const { background, foreground, attention, light, contrast } = readPalette(element);
  const colours = JSON.stringify([background, foreground, attention, light, contrast]);
  if (last?.colours !== colours) {
    const [back, fore, hue] = [background, foreground, attention].map(rgbOf) as [Rgb, Rgb, Rgb];
    last = { colours, inks: inksOf({ background: back, foreground: fore, hue, light, contrast }) };
  }
  return last.inks;
}

/** Any colour that a style sheet may hold, as numbers: a canvas knows them all. */
function rgbOf(colour: string): Rgb {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const ctx = canvas.getContext('2d', { willReadFrequently: true });
  if (!ctx) return [128, 128, 128];
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = ctx.getImageData(0, 0, 1, 1).data;
  return [r, g, b];
}

/** Puts pixels on a canvas of their own size. */
export function putPixels(canvas: HTMLCanvasElement, pixels: Uint32Array, width: number): void {
  canvas.width = canvas.height = width;
  const ctx = canvas.getContext('2d');
  if (!ctx) return;
  const bytes = new Uint8ClampedArray(pixels.buffer as ArrayBuffer, pixels.byteOffset, pixels.byteLength);
  ctx.putImageData(new ImageData(bytes, width, width), 0, 0);
}
