// The contrast of marks with the background, measured on pictures of the page.
import type { Page } from 'playwright-core';
import { boxOf } from './places.ts';

/** Where an attention edge goes: layer, key and query. */
const EDGE = /^attention:(?:I\d+|X0)_(\d+)>A(\d+)_(\d+)$/;

/** Pixels beside a curve in which its ink is looked for, and in which the ground is. */
const NEAR = 2;
const BESIDE = 7;

interface Point {
  x: number;
  y: number;
}

/** By name: the contrast (WCAG 2) of each edge along its curve with the ground beside it, the upper quartile: a line may be dashed. */
export async function contrastsOf(page: Page, names: readonly string[]): Promise<Map<string, number>> {
  const [stage, curves] = [await boxOf(page.locator('.stage')), await curvesOf(page, names)];
  const picture = (await page.screenshot({ clip: stage })).toString('base64');
  const found = await page.evaluate(measured, { picture, curves: [...curves.values()], near: NEAR, beside: BESIDE });
  return new Map([...curves.keys()].map((name, i) => [name, found[i] ?? 0]));
}

/** Points along the drawn curves, in pixels of the stage. */
async function curvesOf(page: Page, names: readonly string[]): Promise<Map<string, Point[]>> {
  const stage = await boxOf(page.locator('.stage'));
  const middles = new Map(
    await page.locator('.stage .chip').evaluateAll((all) =>
      all.map((chip) => {
        const { left, width } = chip.getBoundingClientRect();
        return [chip.getAttribute('data-testid') ?? '', left + width / 2] as const;
      }),
    ),
  );
  const middle = (position: string) => (middles.get(`token-${position}`) ?? NaN) - stage.x;
  const levels = await page.locator('.stage .layer').evaluateAll((all) =>
    all.map((label) => {
      const { top, height } = label.getBoundingClientRect();
      return [Number(label.textContent), top + height / 2] as const;
    }),
  );
  const [low, high] = [levels.find(([layer]) => layer === 0), levels.find(([layer]) => layer > 0)];
  if (!low || !high) throw new Error('the layers have no labels');
  const levelY = (level: number) => low[1] + ((high[1] - low[1]) * level) / high[0] - stage.y;
  const curves = new Map<string, Point[]>();
  for (const name of names) {
    const [, key, layer, query] = EDGE.exec(name) ?? [];
    if (key === undefined || key === query) continue;
    const [x1, x2] = [middle(key), middle(query ?? '')];
    const [y1, y2] = [levelY(Number(layer) - 1), levelY(Number(layer) - 0.5)];
    const points = Array.from({ length: 15 }, (_, i) => 0.29 + 0.03 * i).map((t) => ({
      // control points lie at half of the way
      x: (1 - t) ** 3 * x1 + 3 * t * (1 - t) * ((x1 + x2) / 2) + t ** 3 * x2,
      y: y1 + (3 * t * t - 2 * t ** 3) * (y2 - y1),
    }));
    curves.set(name, points);
  }
  return curves;
}

interface Given {
  picture: string;
  curves: Point[][];
  near: number;
  beside: number;
}

/** In the page, which can read a picture. */
async function measured({ picture, curves, near, beside }: Given): Promise<number[]> {
  const bytes = Uint8Array.from(atob(picture), (char) => char.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const ctx = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
  ctx.drawImage(image, 0, 0);
  const luminance = (x: number, y: number): number => {
    const [r = 0, g = 0, b = 0] = [...ctx.getImageData(x, y, 1, 1).data.slice(0, 3)].map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return curves.map((points) => {
    const seen = points.map(({ x, y }) => {
      const column = Math.round(x);
      const at = (by: number): number => luminance(column, Math.round(y) + by);
      const ground = [-beside, beside].map(at);
      const ink = Array.from({ length: 2 * near + 1 }, (_, i) => at(i - near));
      // another mark may lie on one side
      return Math.min(...ground.map((one) => Math.max(...ink.map((mark) => contrast(mark, one)))));
    });
    return seen.sort((a, b) => b - a)[Math.floor(seen.length / 4)] ?? 0;
  });
}
