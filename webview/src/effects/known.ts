/** What is known of the effects on one metric: all units predicted, some of them measured. */
import type {
  EffectsResult,
  FaithfulnessResult,
  MetricValue,
  NumericArray,
  PredictEffectsResult,
  UnitEffect,
  UnitKind,
} from '../../../extension/shared/protocol';
import { numbersOf } from '../analysis/arrays';
import type { Figure } from '../words/effect';
import { edgePlace, edgeUnit, headUnit, placeOfUnit } from './units';

export type { Figure };

export interface KnownEffects {
  position: number;
  metric: MetricValue;
  /** By name. Of each kind, those to measure first come first. */
  units: ReadonlyMap<string, UnitEffect>;
  /** Attention edges by `edgePlace`: measured, else predicted. */
  edges: ReadonlyMap<number, Figure>;
  /** [layer × head] predicted, summed over positions; [layer × (position + 1)]; [position + 1]. */
  heads: Float32Array | null;
  ffn: Float32Array | null;
  tokens: Float32Array | null;
  shares: Float32Array | null;
  faithfulness: FaithfulnessResult | null;
  /** The drawing that it is about; null: none yet. */
  faithfulnessOf: string | null;
  shareError: number | null;
  notices: readonly string[];
}

/** Throws `ArrayError` for arrays of other shapes than they claim. */
export function fromPrediction(reply: PredictEffectsResult): KnownEffects {
  const column = (array: NumericArray) => numbersOf(array, 'uint32', array.shape);
  const [layers, queries, keys] = [column(reply.edgeLayer), column(reply.edgeQuery), column(reply.edgeKey)];
  const predicted = numbersOf(reply.edgeEffect, 'float32', reply.edgeLayer.shape);
  const units = new Map<string, UnitEffect>();
  const edges = new Map<number, Figure>();
  predicted.forEach((value, i) => {
    const [layer, query, key] = [layers[i] ?? 0, queries[i] ?? 0, keys[i] ?? 0];
    edges.set(edgePlace(layer, query, key), { value, measured: false });
    const unit = edgeUnit(layer, query, key);
    units.set(unit, { unit, kind: 'edge', text: '', how: '', predicted: value, measured: null, kl: null, share: null });
  });
  for (const unit of reply.units) units.set(unit.unit, unit);
  return {
    ...{ position: reply.position, metric: reply.metric, units, edges, faithfulness: null, faithfulnessOf: null },
    ...{ heads: floats(reply.heads), ffn: floats(reply.ffn) },
    ...{ tokens: floats(reply.tokens), shares: floats(reply.shares) },
    ...{ shareError: reply.shareError, notices: reply.notices },
  };
}

const floats = (array: NumericArray | null): Float32Array | null => array && numbersOf(array, 'float32', array.shape);

/** What a panel, a page or a run file has kept. */
export function fromResult(kept: EffectsResult): KnownEffects {
  const { position, metric, faithfulness, notices } = kept;
  const nothing = { heads: null, ffn: null, tokens: null, shares: null };
  const empty = { units: new Map<string, UnitEffect>(), edges: new Map<number, Figure>() };
  const about = { position, metric, faithfulness, faithfulnessOf: null, notices, shareError: kept.proof.shareError };
  return withUnits({ ...about, ...nothing, ...empty }, kept.units);
}

/** The same with more measurements. */
export function withUnits(known: KnownEffects, found: readonly UnitEffect[]): KnownEffects {
  const [units, edges] = [new Map(known.units), new Map(known.edges)];
  for (const unit of found) {
    units.set(unit.unit, unit);
    const place = unit.kind === 'edge' ? placeOfUnit(unit.unit) : null;
    const figure = figureOf(unit);
    if (place !== null && figure) edges.set(place, figure);
  }
  return { ...known, units, edges };
}

/** Whether a unit's turn has come: what was done to it is known, also where nothing could change. */
export const isReached = (unit: UnitEffect | undefined): boolean => (unit?.how ?? '') !== '';

/** The number to draw for a unit; null where nothing is known. */
export function figureOf(unit: UnitEffect | undefined): Figure | null {
  if (!unit) return null;
  if (unit.measured !== null) return { value: unit.measured, measured: true };
  return unit.predicted === null ? null : { value: unit.predicted, measured: false };
}

/** The effect of a feed-forward block, measured or predicted. */
export function ffnFigure(known: KnownEffects, layer: number, position: number): Figure | null {
  const listed = figureOf(known.units.get(`M${layer}_${position}`));
  if (listed || !known.ffn || position > known.position) return listed;
  return { value: known.ffn[layer * (known.position + 1) + position] ?? 0, measured: false };
}

/** The effect of a head at all positions, measured, or predicted as a sum over them. */
export function headFigure(known: KnownEffects, layer: number, head: number, nHeads: number): Figure | null {
  const listed = figureOf(known.units.get(headUnit(layer, head)));
  if (listed?.measured || !known.heads) return listed;
  return { value: known.heads[layer * nHeads + head] ?? 0, measured: false };
}

/**
 * The effect of a token where it is measured, else its share: the gradient of an embedding often has the wrong sign. Null
 * after the position that m is read at.
 */
export function tokenFigure(known: KnownEffects, position: number): Figure | null {
  const measured = known.units.get(`X0_${position}`)?.measured ?? null;
  if (measured !== null) return { value: measured, measured: true };
  const share = position > known.position ? null : tokenShare(known, position);
  return share === null ? null : { value: share, measured: false, share: true };
}

export function tokenShare(known: KnownEffects, position: number): number | null {
  return known.units.get(`X0_${position}`)?.share ?? known.shares?.[position] ?? null;
}

/** Units of one kind: measured ones first, then predicted ones, the largest first. */
export function listed(known: KnownEffects, kind: UnitKind): UnitEffect[] {
  const found = [...known.units.values()].filter((unit) => unit.kind === kind);
  const size = (unit: UnitEffect): number => Math.abs(figureOf(unit)?.value ?? 0);
  return found.sort((a, b) => Number(b.measured !== null) - Number(a.measured !== null) || size(b) - size(a));
}

/** (predicted, measured) of the edges predicted strongest, where both are known. */
export function pairs(known: KnownEffects, most: number): { predicted: number[]; measured: number[] } {
  const both = listed(known, 'edge').filter(({ measured, predicted }) => measured !== null && predicted !== null);
  both.sort((a, b) => Math.abs(b.predicted ?? 0) - Math.abs(a.predicted ?? 0));
  const first = both.slice(0, most);
  return { predicted: first.map((unit) => unit.predicted ?? 0), measured: first.map((unit) => unit.measured ?? 0) };
}

/** For keeping and for exports: the units that were measured, and the strongest predictions. */
export function asResult(known: KnownEffects, isComplete: boolean): EffectsResult {
  const units = [...known.units.values()];
  return {
    position: known.position,
    metric: known.metric,
    units,
    faithfulness: known.faithfulness,
    proof: { shareError: known.shareError },
    timing: { forwardS: 0, backwardS: 0, measuredS: 0, nMeasured: units.filter((u) => u.measured !== null).length },
    notices: [...known.notices],
    complete: isComplete,
  };
}
