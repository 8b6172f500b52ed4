/** The layout of the head overview's cells: heads across, layers up. */
import type { Size } from '../graph/layout';

export interface HeadsFrame {
  x: number;
  y: number;
  cellWidth: number;
  cellHeight: number;
  nLayers: number;
  nHeads: number;
}

const LEFT = 54;
const TOP = 30;
const PAD = 12;
const WIDEST = 60;
const HIGHEST = 30;

export function headsFrame(size: Size, nLayers: number, nHeads: number): HeadsFrame {
  const cellWidth = Math.max(3, Math.min(WIDEST, (size.width - LEFT - PAD) / nHeads));
  const cellHeight = Math.max(3, Math.min(HIGHEST, (size.height - TOP - PAD) / nLayers));
  return { x: LEFT, y: TOP, cellWidth, cellHeight, nLayers, nHeads };
}

const LETTER_WIDTH = 9;
const LETTER_HEIGHT = 10;

/** The gap between two cells. */
export const gapOf = ({ cellWidth, cellHeight }: HeadsFrame): number => (cellWidth >= 5 && cellHeight >= 5 ? 1 : 0);

/** Whether a cell has room for the letter of its tag. */
export function fitsLetters(frame: HeadsFrame): boolean {
  const gap = gapOf(frame);
  return frame.cellWidth - gap >= LETTER_WIDTH && frame.cellHeight - gap >= LETTER_HEIGHT;
}

export const headX = (frame: HeadsFrame, head: number): number => frame.x + head * frame.cellWidth;

/** The last layer is on top. */
export const layerY = (frame: HeadsFrame, layer: number): number =>
  frame.y + (frame.nLayers - 1 - layer) * frame.cellHeight;

export function headAt(frame: HeadsFrame, x: number, y: number): { layer: number; head: number } | null {
  const head = Math.floor((x - frame.x) / frame.cellWidth);
  const layer = frame.nLayers - 1 - Math.floor((y - frame.y) / frame.cellHeight);
  return head >= 0 && head < frame.nHeads && layer >= 0 && layer < frame.nLayers ? { layer, head } : null;
}

/** Every nth head is labelled where columns are narrow. */
export function labelledHeads(frame: HeadsFrame): number[] {
  const every = [1, 2, 5, 10, 20].find((step) => step * frame.cellWidth >= 22) ?? 50;
  return Array.from({ length: Math.ceil(frame.nHeads / every) }, (_, i) => i * every);
}
