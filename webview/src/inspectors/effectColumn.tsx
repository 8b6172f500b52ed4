/** A column of effects in a list of heads, neurons or experts; with ink Effect, their bars and order too. */
import type { UnitEffect } from '../../../extension/shared/protocol';
import { effectInWords, toneOf } from '../effects/inWords';
import { figureOf } from '../effects/known';
import { effectNumber } from '../words/effect';
import type { Store } from '../store/state';
import type { Cell } from '../words/table';
import { useMeasured } from './measured';
import type { BarRow } from './parts';

/** Before the columns of a list, where effects are known or on their way. */
export const EFFECT_COLUMNS = ['effect predicted', 'effect measured'] as const;

export interface EffectColumn {
  /** Nothing is known, and nothing is asked: there is no column. */
  shown: boolean;
  /** A list's row with its effect. */
  row(unit: string, row: BarRow): BarRow;
  /** Rows in the order of the ink. */
  ordered<Row>(rows: readonly Row[], unit: (row: Row) => string): Row[];
  cells(unit: string): Cell[];
}

export function useEffectColumn(store: Store, units: readonly string[]): EffectColumn {
  const measured = useMeasured(store, units);
  const asking = measured.reply?.state === 'asking';
  const shown = asking || units.some((unit) => figureOf(measured.of(unit)) !== null);
  const inked = shown && store.ink.value === 'effect';
  const size = (unit: string): number => Math.abs(figureOf(measured.of(unit))?.value ?? 0);
  return {
    shown,
    row: (unit, row) => (shown ? withEffect(row, measured.of(unit), inked, asking) : row),
    ordered: (rows, unit) => (inked ? [...rows].sort((a, b) => size(unit(b)) - size(unit(a))) : [...rows]),
    cells: (unit) => (shown ? [measured.of(unit)?.predicted ?? '', measured.of(unit)?.measured ?? ''] : []),
  };
}

function withEffect(row: BarRow, effect: UnitEffect | undefined, inked: boolean, asking: boolean): BarRow {
  const figure = figureOf(effect);
  const tone = toneOf(figure?.value ?? 0);
  const cell = figure ? (
    <span class={`effect-figure ${figure.measured ? `measured ${tone}` : 'predicted'}`}>
      {effectNumber(figure.value)}
    </span>
  ) : (
    <span class="effect-figure">{asking && <span class="pending" title="being computed" />}</span>
  );
  return {
    ...row,
    lead: cell,
    title: effect ? `${row.title}, ${effectInWords(effect)}` : row.title,
    ...(inked && { value: Math.abs(figure?.value ?? 0), ink: tone, faint: false }),
  };
}
