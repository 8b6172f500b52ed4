/** What floats over the panel stays inside it; what stands over the columns does not cover what is beside it. */
import { describe, expect, it } from 'vitest';
import { besidePoint, shiftInto } from '../../webview/src/layout/inside';
import { computeLayout, frameOf, homeCamera } from '../../webview/src/graph/layout';
import { PREDICTION_MIN, chipPlace, neighbourPlace } from '../../webview/src/graph/predictionPlace';

const ROOM = { from: 4, to: 896 };

describe('a floating element', () => {
  it('moves by what it hangs out, and shows its beginning where it is longer than the room', () => {
    expect(shiftInto({ from: 700, to: 890 }, ROOM)).toBe(0);
    expect(shiftInto({ from: 700, to: 950 }, ROOM)).toBe(-54);
    expect(shiftInto({ from: -20, to: 200 }, ROOM)).toBe(24);
    expect(shiftInto({ from: 100, to: 1100 }, ROOM)).toBe(-96);
  });

  it('is placed after the pointer, before it near the edge, and always inside', () => {
    expect(besidePoint(100, 250, ROOM)).toBe(114);
    expect(besidePoint(800, 250, ROOM)).toBe(540);
    for (let point = 0; point <= 900; point += 7) {
      const from = besidePoint(point, 640, ROOM);
      expect(from).toBeGreaterThanOrEqual(ROOM.from);
      expect(from + 640).toBeLessThanOrEqual(ROOM.to);
    }
  });
});

describe('the chip of the target', () => {
  const frameFor = (width: number, nTokens: number) => {
    const layout = computeLayout({ width, height: 600 }, nTokens, 6);
    return frameOf(layout, homeCamera(layout, nTokens - 1));
  };

  it.each([400, 620, 760, 1000])('leaves its neighbours room at %i pixels, wherever it is', (width) => {
    for (const nTokens of [4, 9, 13, 17]) {
      const frame = frameFor(width, nTokens);
      if (frame.dx < PREDICTION_MIN) continue;
      for (let target = 0; target < nTokens; target++) {
        for (const text of ['a', '·Mary', 'characteristically']) {
          const chip = chipPlace(text, target, frame);
          expect(chip.left).toBeGreaterThanOrEqual(frame.plot.x - 2.01);
          expect(chip.left + chip.width).toBeLessThanOrEqual(frame.plot.x + frame.plot.width + 8.01);
          for (const neighbour of [target - 1, target + 1].filter((t) => t >= 0 && t < nTokens)) {
            const { left, width: room } = neighbourPlace(neighbour, chip, frame);
            expect(room).toBeGreaterThan(19.9);
            expect(left >= chip.left + chip.width - 1e-6 || left + room <= chip.left + 1e-6).toBe(true);
          }
        }
      }
    }
  });

  it('is as wide as its text if it covers no neighbour', () => {
    const frame = frameFor(1000, 9);
    expect(chipPlace('·Mary', 4, frame).width).toBeGreaterThanOrEqual(46);
    const narrow = frameFor(400, 60);
    expect(narrow.dx).toBeLessThan(PREDICTION_MIN);
    expect(chipPlace('characteristically', 59, narrow).width).toBe(120);
  });
});
