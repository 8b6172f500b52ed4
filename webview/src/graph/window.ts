/** Which rows and columns of nodes are on screen. */
import type { Frame } from './layout';

/** Rows of cells that are on screen. */
export interface Window {
  firstLayer: number;
  lastLayer: number;
  firstColumn: number;
  lastColumn: number;
}

export function visibleWindow(frame: Frame, nLayers: number, nTokens: number): Window {
  const { plot, x0, dx, y0, dy } = frame;
  return {
    firstLayer: Math.max(0, Math.floor((y0 - plot.y - plot.height) / dy)),
    lastLayer: Math.min(nLayers - 1, Math.ceil((y0 - plot.y) / dy) + 1),
    firstColumn: Math.max(0, Math.floor((plot.x - x0) / dx) - 1),
    lastColumn: Math.min(nTokens - 1, Math.ceil((plot.x + plot.width - x0) / dx) + 1),
  };
}
