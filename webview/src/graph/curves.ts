/** The shape of an attention edge, for drawing and for picking alike. */

/** Reach of the loop of a token that attends to itself, as a share of the column width. */
const LOOP = 0.2;
const LOOP_MAX = 16;

export const loopReach = (dx: number): number => Math.min(LOOP_MAX, dx * LOOP);

/** Adds the curve from (x1, y1) to (x2, y2): level at both ends. A self edge is a loop on the left. */
export function traceEdge(
  path: CanvasRenderingContext2D,
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  loop: number,
): void {
  path.moveTo(x1, y1);
  if (x1 === x2) {
    path.bezierCurveTo(x1 - loop * 1.33, y1, x1 - loop * 1.33, y2, x2, y2);
    return;
  }
  const bend = (x2 - x1) * 0.5;
  path.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
}

/** Height at which that curve passes x; x1 < x < x2. */
export function crossing(x1: number, y1: number, x2: number, y2: number, x: number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 20; i++) {
    const u = (low + high) / 2;
    const v = 1 - u;
    const middle = (x1 + x2) / 2;
    // both control points are halfway
    if (v * v * v * x1 + 3 * v * u * middle + u * u * u * x2 < x) low = u;
    else high = u;
  }
  return y1 + (y2 - y1) * low * low * (3 - 2 * low);
}

/** Distance of a point from that curve, in pixels. */
export function distanceToEdge(
  px: number,
  py: number,
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  loop: number,
): number {
  const self = x1 === x2;
  const bend = self ? 0 : (x2 - x1) * 0.5;
  const cx1 = self ? x1 - loop * 1.33 : x1 + bend;
  const cx2 = self ? x1 - loop * 1.33 : x2 - bend;
  let best = Infinity;
  let ax = x1;
  let ay = y1;
  const pieces = 18;
  for (let i = 1; i <= pieces; i++) {
    const u = i / pieces;
    const v = 1 - u;
    const bx = v * v * v * x1 + 3 * v * v * u * cx1 + 3 * v * u * u * cx2 + u * u * u * x2;
    const by = v * v * v * y1 + 3 * v * v * u * y1 + 3 * v * u * u * y2 + u * u * u * y2;
    best = Math.min(best, distanceToSegment(px, py, ax, ay, bx, by));
    ax = bx;
    ay = by;
  }
  return best;
}

export function distanceToSegment(px: number, py: number, ax: number, ay: number, bx: number, by: number): number {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / length));
  return Math.hypot(px - ax - along * dx, py - ay - along * dy);
}

/** The place of a mixer's diamond: left of its column, in the middle of the loop. */
export const mixerReach = (dx: number): number => loopReach(dx);

/** The place of the feed-forward square beside its column. */
export const ffnReach = (dx: number): number => Math.min(11, dx * 0.24);
