/** The places of predictions over the columns: the target's on a chip as wide as its text, its neighbours' beside it. */
import { BAND_WIDTH, tokenX } from './layout';
import type { Frame } from './layout';

export interface Place {
  left: number;
  width: number;
}

/** Narrower columns show the target's prediction only. */
export const PREDICTION_MIN = 30;
/** The least room that a neighbour of the target keeps in its column: two characters and its figure. */
const NEIGHBOUR_MIN = 22;
const CHIP_MIN = 44;
const CHIP_MOST = 120;
const FONT_SIZE = 12;
/** Width of a character of the token font, as a share of its size. */
export const CHARACTER = 0.61;

/**
 * The chip over the target's column: as wide as its text where there is room, and never so wide that a neighbour's
 * prediction has none.
 */
export function chipPlace(text: string, target: number, frame: Frame): Place {
  const { plot, dx } = frame;
  const wanted = Math.max(
    Math.min(dx - 2, BAND_WIDTH),
    Math.min(CHIP_MOST, [...text].length * FONT_SIZE * CHARACTER + 10),
  );
  const [from, to] = [plot.x - 2, plot.x + plot.width + 8];
  const x = tokenX(frame, target);
  if (dx < PREDICTION_MIN) return centred(x, Math.max(CHIP_MIN, wanted), from, to);
  // a neighbour lies outside where the plot ends first
  const left = Math.max(from, x - 1.5 * dx + NEIGHBOUR_MIN);
  const right = Math.min(to, x + 1.5 * dx - NEIGHBOUR_MIN);
  return centred(x, Math.min(wanted, right - left), left, right);
}

/** The room of a prediction over its column, minus the part that the chip covers. */
export function neighbourPlace(position: number, chip: Place, frame: Frame): Place {
  const [from, to] = [tokenX(frame, position) - frame.dx / 2 + 1, tokenX(frame, position) + frame.dx / 2 - 1];
  if (to <= chip.left || from >= chip.left + chip.width) return { left: from, width: to - from };
  if (from < chip.left) return { left: from, width: chip.left - 1 - from };
  const left = chip.left + chip.width + 1;
  return { left, width: to - left };
}

function centred(x: number, width: number, from: number, to: number): Place {
  return { left: Math.max(from, Math.min(to - width, x - width / 2)), width };
}
