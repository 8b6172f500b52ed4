/** The number that colours each head, in the ink that was chosen. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import { headFigure } from '../effects/known';
import type { KnownEffects } from '../effects/known';
import { headTotals } from '../routes/headTotals';
import type { HeadRef, Ink } from '../routes/headTotals';
import type { Routes, RouteSource } from '../routes/routes';
import { effectNumber } from '../words/effect';
import { share } from '../words/words';

/** [layer × head] */
export interface HeadNumbers {
  ink: Ink;
  nHeads: number;
  values: Float64Array;
  /** 1 where an effect was measured. */
  measured: Uint8Array | null;
  largest: number;
}

export function headNumbers(
  source: RouteSource,
  routes: Routes,
  nHeads: number,
  ink: Ink,
  known: KnownEffects | null,
): HeadNumbers {
  if (ink === 'effect' && known?.heads) return effectsOfHeads(known, source.nLayers, nHeads);
  const widthInk = ink === 'local' ? 'local' : 'flow';
  const values = headTotals(source, routes, nHeads, widthInk);
  return { ink: widthInk, nHeads, values, measured: null, largest: largestOf(values) };
}

function effectsOfHeads(known: KnownEffects, nLayers: number, nHeads: number): HeadNumbers {
  const values = new Float64Array(nLayers * nHeads);
  const measured = new Uint8Array(nLayers * nHeads);
  for (let at = 0; at < values.length; at++) {
    const figure = headFigure(known, Math.floor(at / nHeads), at % nHeads, nHeads);
    if (!figure) continue;
    values[at] = figure.value;
    measured[at] = figure.measured ? 1 : 0;
  }
  return { ink: 'effect', nHeads, values, measured, largest: largestOf(values) };
}

const largestOf = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

const indexOf = ({ nHeads }: HeadNumbers, at: HeadRef): number => at.layer * nHeads + at.head;

export const numberOf = (numbers: HeadNumbers, at: HeadRef): number => numbers.values[indexOf(numbers, at)] ?? 0;

export function numberText(numbers: HeadNumbers, at: HeadRef): string {
  const value = numberOf(numbers, at);
  return numbers.ink === 'effect' ? effectNumber(value) : share(value);
}

/** What a head's number is: "flow through it", "predicted effect, summed over positions". */
export function numberTitle(numbers: HeadNumbers, at: HeadRef): string {
  if (numbers.ink !== 'effect') return numbers.ink === 'flow' ? 'flow through it' : 'sum of its contributions';
  return numbers.measured?.[indexOf(numbers, at)] === 1
    ? 'measured effect, at all positions'
    : 'predicted effect, summed over positions';
}

/** The colour scale in words. */
export function scaleWords({ ink, largest }: HeadNumbers): string {
  if (ink === 'effect') return `predicted effect, summed over positions, up to ±${largest.toFixed(2)}`;
  return `${ink === 'flow' ? 'flow through the head' : 'sum of its contributions'}, 0 to ${share(largest)}`;
}

/** The head with the largest number. */
export function strongestHead({ values, nHeads }: HeadNumbers): HeadRef {
  const at = values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]!) ? i : best), 0);
  return { layer: Math.floor(at / nHeads), head: at % nHeads };
}
