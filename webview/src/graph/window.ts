/** Which rows and columns of nodes are on screen. */
import { nearestColumn } from './layout';
import type { Frame } from './layout';

/** Rows of cells that are on screen. */
export interface Window {
  firstLayer: number;
  lastLayer: number;
  firstColumn: number;
  lastColumn: number;
}

export function visibleWindow(frame: Frame, nLayers: number, nTokens: number): Window {
  const { plot, y0, dy } = frame;
  return {
    firstLayer: Math.max(0, Math.floor((y0 - plot.y - plot.height) / dy)),
    lastLayer: Math.min(nLayers - 1, Math.ceil((y0 - plot.y) / dy) + 1),
    firstColumn: Math.max(0, nearestColumn(frame, nTokens, plot.x) - 1),
    lastColumn: Math.min(nTokens - 1, nearestColumn(frame, nTokens, plot.x + plot.width) + 1),
  };
}
