/** The threshold that leaves a readable graph. */
import { computeRoutes } from './routes';
import type { RouteSource } from './routes';

export const AUTO_LOWEST = 0.005;
export const AUTO_HIGHEST = 0.1;
export const AUTO_EDGES = 60;
const PRECISION = 1e-4;

/** While the routes into a target are not known. */
export const USUAL_THRESHOLD = 0.04;

/** Smallest τ in [max(0.005, floor), 0.1] at which the target keeps at most 60 edges between different tokens (0.1 if none). */
export function autoThreshold(source: RouteSource, target: number, renormalize: boolean): number {
  const fits = (threshold: number): boolean =>
    computeRoutes(source, { target, threshold, renormalize }, AUTO_EDGES).crossEdges <= AUTO_EDGES;
  let low = Math.max(AUTO_LOWEST, source.floor);
  if (fits(low)) return low;
  let high = AUTO_HIGHEST;
  while (high - low > PRECISION) {
    const middle = (low + high) / 2;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}
