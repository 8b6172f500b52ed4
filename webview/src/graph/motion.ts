/** 120 ms from the graph before to the graph now; at once where motion is not wanted. */

export const EASE_MS = 120;

export function motionWanted(): boolean {
  const reduced = document.body.classList.contains('vscode-reduce-motion');
  return !reduced && !window.matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Time since the start → progress 0 … 1, slowing down at the end. */
export function ease(elapsed: number): number {
  const t = Math.min(1, Math.max(0, elapsed / EASE_MS));
  return 1 - (1 - t) * (1 - t);
}
