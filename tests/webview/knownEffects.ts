/** Effects for tests, written by hand. */
import type { EffectsResult, UnitEffect, UnitKind } from '../../extension/shared/protocol';
import { fromResult } from '../../webview/src/effects/known';
import type { KnownEffects } from '../../webview/src/effects/known';

/** By name of a unit: its predicted effect, and its measured one if there is any. */
export type Written = Record<string, [predicted: number | null, measured?: number | null]>;

const kindOf = (unit: string): UnitKind =>
  unit.includes('>') ? 'edge' : unit.startsWith('M') ? 'ffn' : unit.startsWith('X') ? 'token' : 'head_all';

export function writtenUnits(units: Written): UnitEffect[] {
  return Object.entries(units).map(([unit, [predicted, measured]]): UnitEffect => {
    const kind = kindOf(unit);
    const how = measured === undefined ? '' : kind === 'token' ? 'knock-out' : 'zero';
    return { unit, kind, text: '', how, predicted, measured: measured ?? null, kl: null, share: null };
  });
}

export function writtenResult(position: number, units: Written): EffectsResult {
  const target = { id: 0, text: ' Mary' };
  return {
    position,
    metric: { kind: 'logit', target, contrast: { id: 1, text: ' John' }, value: 4.92 },
    units: writtenUnits(units),
    faithfulness: null,
    proof: { shareError: null },
    timing: { forwardS: 0, backwardS: 0, measuredS: 0, nMeasured: 0 },
    notices: [],
    complete: true,
  };
}

export function writtenEffects(position: number, units: Written, predicted: Partial<KnownEffects> = {}): KnownEffects {
  return { ...fromResult(writtenResult(position, units)), ...predicted };
}
