/** Effects in words: signed numbers, measured or predicted, of one unit or of several. */
import { withSign } from './words';

/** A number to draw. Positive supports the target. */
export interface Figure {
  value: number;
  measured: boolean;
  /** A token's share of the metric: no effect, and no guess at one. */
  share?: boolean;
}

/** The summed effect of several units, by how it is known; of none: unknown. */
export interface Sum {
  value: number;
  measured: number;
  predicted: number;
}

/** "+2.75", "−0.05", "+0.004", "0.00". */
export function effectNumber(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 0.01 || size < 0.0005 ? 2 : 3;
  return withSign(value, size.toFixed(digits));
}

export const howKnown = ({ measured }: Pick<Figure, 'measured'>): string => (measured ? 'measured' : 'predicted');

/** "effect +2.75, measured" */
export const effectWords = (figure: Figure): string =>
  figure.share
    ? `share ${effectNumber(figure.value)}, effect not measured`
    : `effect ${effectNumber(figure.value)}, ${howKnown(figure)}`;

/** "measured", "sum of 3 predictions", "sum of 2 measured, 1 predicted" */
export function sumWords({ measured, predicted }: Sum): string {
  if (measured + predicted === 1) return howKnown({ measured: measured === 1 });
  if (predicted === 0) return `sum of ${measured} measured`;
  return measured === 0 ? `sum of ${predicted} predictions` : `sum of ${measured} measured, ${predicted} predicted`;
}
