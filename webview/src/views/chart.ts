/** The geometry of the line charts over the layers. */

export interface Plot {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export const chartX = (plot: Plot, row: number, nRows: number): number =>
  plot.left + (nRows < 2 ? 0 : (row / (nRows - 1)) * (plot.width - plot.left - plot.right));

/** The row whose x is nearest. */
export function rowAt(plot: Plot, x: number, nRows: number): number {
  const along = (x - plot.left) / Math.max(1, plot.width - plot.left - plot.right);
  return Math.max(0, Math.min(nRows - 1, Math.round(along * (nRows - 1))));
}

/** `height` 1 is the top of the chart, 0 its foot. */
export const chartY = (plot: Plot, height: number): number =>
  plot.top + (1 - height) * (plot.height - plot.top - plot.bottom);

/** Rank 0 on top, each power of ten a step down, the worst at the foot. */
export function rankHeight(rank: number, worst: number): number {
  const decades = Math.max(1, Math.ceil(Math.log10(worst + 1)));
  return 1 - Math.log10(rank + 1) / decades;
}

/** Ranks with a grid line: 1, 10, 100 …; at most four. */
export function rankTicks(worst: number): number[] {
  const decades = Math.max(1, Math.ceil(Math.log10(worst + 1)));
  const every = Math.ceil(decades / 3);
  return Array.from({ length: Math.floor(decades / every) + 1 }, (_, i) => 10 ** (i * every));
}

export function linePath(plot: Plot, heights: readonly number[]): string {
  return heights
    .map((height, row) => {
      const x = chartX(plot, row, heights.length).toFixed(1);
      return `${row === 0 ? 'M' : 'L'}${x} ${chartY(plot, height).toFixed(1)}`;
    })
    .join('');
}
