/** Under the tokens: what the prediction loses when later tokens cannot read one. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { EffectTable } from '../effects/table';
import { doneInWords, metricText, toneOf } from '../effects/inWords';
import { figureOf, tokenShare } from '../effects/known';
import { tokenUnit } from '../effects/units';
import { isFold, sizeOf } from '../groups/grouping';
import type { Columns } from '../groups/grouping';
import { spanOf } from '../groups/words';
import { add, addFrom, largestOf, noSums, sumAt } from '../groups/sums';
import type { Sums } from '../groups/sums';
import { effectNumber } from '../words/effect';
import { signed } from '../words/words';
import { px } from './layout';

export interface ColumnEffects {
  table: EffectTable;
  /** By column, nothing of a fold; of a group as a set where that was measured, else the sum of its tokens' shares. */
  sums: Sums;
  largest: number;
}

export function columnEffects(table: EffectTable, columns: Columns): ColumnEffects {
  const { known, tokens } = table;
  const sums = noSums(columns.nColumns);
  for (let column = 0; column < columns.nColumns; column++) {
    if (isFold(columns, column)) continue;
    const [first, end] = spanOf(columns, column);
    if (end - first === 1) {
      addFrom(sums, column, tokens, first);
      continue;
    }
    const set = known.units.get(unitOfColumn(columns, column));
    const figure = figureOf(set);
    if (figure?.measured) add(sums, column, figure);
    else {
      // shares add up, and knock-outs of single tokens do not
      for (let t = first; t < end && t <= known.position; t++) {
        const share = tokenShare(known, t);
        if (share !== null) add(sums, column, { value: share, measured: false });
      }
    }
  }
  return { table, sums, largest: largestOf(sums) };
}

/** The token of a column, or the tokens of its group as a set. */
function unitOfColumn(columns: Columns, column: number): string {
  const [first, end] = spanOf(columns, column);
  return Array.from({ length: end - first }, (_, i) => tokenUnit(first + i)).join('+');
}

interface Props {
  effects: ColumnEffects;
  column: number;
  columns: Columns;
  mass: number;
  /** Height of the largest bar, in pixels. */
  most: number;
  top: number;
  /** There is room for a number. */
  wide: boolean;
}

/** Smaller numbers are not written. */
const LEAST_WRITTEN = 0.05;

export function EffectBar({ effects, column, columns, mass, most, top, wide }: Props) {
  const { table, sums, largest } = effects;
  const sum = sumAt(sums, column);
  const first = columns.first[column]!;
  const alone = sizeOf(columns, column) === 1;
  const height = sum && largest > 0 ? Math.max(1, (most * Math.abs(sum.value)) / largest) : 0;
  const names = ['mass', 'effect'];
  if (sum) names.push(toneOf(sum.value));
  if (sum && sum.predicted > 0) names.push('predicted');
  if (first === 0) names.push('rest');
  return (
    <div class={names.join(' ')} data-testid={`effect-${first}`} style={{ top: px(top) }} title={titleOf()}>
      <div class="bar" style={{ height: px(height) }} />
      {sum && wide && Math.abs(sum.value) >= LEAST_WRITTEN && <span class="number">{signed(sum.value)}</span>}
    </div>
  );

  function titleOf(): string {
    const { known } = table;
    const unit = known.units.get(unitOfColumn(columns, column));
    const lines: string[] = [];
    if (sum && sum.predicted === 0) {
      const nats = alone ? (unit?.kl ?? null) : null;
      const kl = nats === null ? '' : ` · KL ${nats.toFixed(2)} nats`;
      lines.push(`effect ${effectNumber(sum.value)}, measured: ${doneInWords(unit?.how ?? '')}${kl}`);
    } else if (sum) {
      const many = sum.predicted > 1 ? `, of ${sum.predicted} tokens` : '';
      lines.push(`share ${effectNumber(sum.value)} of ${metricText(known.metric.value)}${many}; not measured`);
    } else if (first <= known.position && unit?.how !== 'knock-out') lines.push('effect not measured');
    else
      lines.push(
        first > known.position ? 'after the target: no effect' : 'nothing to measure: no later token reads it',
      );
    const predicted = alone ? (unit?.predicted ?? null) : null;
    if (predicted !== null && sum?.predicted === 0)
      lines.push(`predicted ${effectNumber(predicted)}, of its embedding`);
    const share = alone ? tokenShare(known, first) : null;
    if (share !== null && sum?.predicted === 0)
      lines.push(`share ${effectNumber(share)} of ${metricText(known.metric.value)}`);
    lines.push(`mass ${mass.toFixed(4)}`);
    if (first === 0)
      lines.push('Heads rest on the first token when they look for nothing, so its effect is not its text’s.');
    return lines.join('\n');
  }
}
