/** SYNTHETIC effects: large where contributions are, of either sign, and measured near what is predicted. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { MetricValue, UnitEffect, UnitKind } from '../../extension/shared/protocol';
import { analysis } from './attention';
import { randomNumbers } from './numbers';
import type { Answers } from './numbers';
import { packedNumbers } from './views';

const PREDICTED_EDGES = 2000;
const SCALE = 4;

/** A number in [0, 1) that a name stands for. */
function chance(name: string, salt = ''): number {
  const seed = [...(name + salt)].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0, 17);
  const random = randomNumbers(seed);
  random();
  return random();
}

/** One in five predictions has the wrong sign. */
const measuredOf = (unit: string, predicted: number): number =>
  predicted * (chance(unit, 'sign') < 0.2 ? -0.5 : 0.6 + chance(unit, 'size'));

const predictedOf = (unit: string, size: number): number => (chance(unit) < 0.3 ? -1 : 1) * size;

function weightOf(unit: string): number {
  const { columns, rowOffset, meta } = analysis();
  const [, key, layer, query] = /^(?:X0|I\d+)_(\d+)>A(\d+)_(\d+)/.exec(unit)?.map(Number) ?? [];
  if (layer === undefined || query === undefined) return chance(unit, 'weight') ** 3;
  const row = layer * meta.tokens.length + query;
  for (let e = rowOffset[row] ?? 0; e < (rowOffset[row + 1] ?? 0); e++)
    if (columns.edgeKey[e] === key) return columns.edgeWeight[e]!;
  return 0.001;
}

const kindOf = (unit: string): UnitKind =>
  unit.includes('>') ? 'edge' : unit.startsWith('M') ? 'ffn' : unit.startsWith('X') ? 'token' : 'head';

const HOW: Partial<Record<UnitKind, string>> = { edge: 'zero', token: 'knock-out' };

function unitOf(unit: string): UnitEffect {
  const kind = kindOf(unit);
  return {
    ...{ unit, kind, text: '', how: '', measured: null, kl: null },
    predicted: predictedOf(unit, SCALE * weightOf(unit)),
    share: kind === 'token' ? chance(unit, 'share') : null,
  };
}

function measured(unit: string, last: number): UnitEffect {
  const found = unitOf(unit);
  const how = HOW[found.kind] ?? 'mean';
  if (unit === `X0_${last}`) return { ...found, how };
  const value = measuredOf(unit, found.predicted ?? 0);
  return { ...found, how, measured: value, kl: value ** 2 / 40 };
}

function metricOf(contrast: string | null | undefined): MetricValue {
  const other = contrast ? { id: 3, text: contrast.replace(/^#\d+$/, ' John') } : null;
  return { kind: 'logit', target: { id: 0, text: ' Mary' }, contrast: other, value: other ? 4.92 : 17.3 };
}

const positionOf = (position: number | null | undefined): number => position ?? analysis().meta.target;

export const EFFECTS: Answers = {
  'lmTransparency/predictEffects': ({ position: asked, contrast }) => {
    const { columns, meta } = analysis();
    const { nLayers, nHeads } = meta.model;
    const position = positionOf(asked);
    const order = Uint32Array.from(columns.edgeWeight.keys())
      .filter((e) => columns.edgeQuery[e]! <= position)
      .sort((a, b) => columns.edgeWeight[b]! - columns.edgeWeight[a]!)
      .slice(0, PREDICTED_EDGES);
    const column = (of: ArrayLike<number>) =>
      packedNumbers(
        Uint32Array.from(order, (e) => of[e]!),
        [order.length],
      );
    const name = (e: number): string => {
      const layer = columns.edgeLayer[e]!;
      return `${layer === 0 ? 'X0' : `I${layer - 1}`}_${columns.edgeKey[e]}>A${layer}_${columns.edgeQuery[e]}`;
    };
    const effect = Float32Array.from(order, (e) => predictedOf(name(e), SCALE * columns.edgeWeight[e]!));
    const values = (length: number, unit: (i: number) => string) =>
      Float32Array.from({ length }, (_, i) => unitOf(unit(i)).predicted ?? 0);
    const width = position + 1;
    const block = (i: number): string => `M${Math.floor(i / width)}_${i % width}`;
    const head = (i: number): string => `${Math.floor(i / nHeads)}.${i % nHeads}@${position}`;
    const strongest = (length: number, unit: (i: number) => string): UnitEffect[] =>
      Array.from({ length }, (_, i) => unitOf(unit(i)))
        .sort((a, b) => Math.abs(b.predicted ?? 0) - Math.abs(a.predicted ?? 0))
        .slice(0, 60);
    return {
      ...{ position, metric: metricOf(contrast), edgeLayer: column(columns.edgeLayer) },
      ...{ edgeQuery: column(columns.edgeQuery), edgeKey: column(columns.edgeKey) },
      edgeEffect: packedNumbers(effect, [order.length]),
      heads: packedNumbers(values(nLayers * nHeads, head), [nLayers, nHeads]),
      ffn: packedNumbers(values(nLayers * width, block), [nLayers, width]),
      tokens: packedNumbers(
        values(width, (t) => `X0_${t}`),
        [width],
      ),
      shares: packedNumbers(
        Float32Array.from({ length: width }, (_, t) => chance(`X0_${t}`, 'share')),
        [width],
      ),
      units: [
        ...strongest(nLayers * nHeads, head),
        ...strongest(nLayers * width, block),
        ...strongest(width, (t) => `X0_${t}`),
      ],
      shareError: 3e-7,
      notices: [],
    };
  },

  'lmTransparency/measureEffects': ({ position, units = [] }) => ({
    units: units.map((unit) => measured(unit, positionOf(position))),
    notices: [],
  }),

  'lmTransparency/knockOut': ({ position, unit, contrast }) => ({
    effect: measured(unit, positionOf(position)),
    metric: metricOf(contrast),
    outputs: [' Mary', ' the', ' her', ' John'].map((text, id) => ({
      ...{ id, text, before: [0.92, 0.02, 0.006, 0.002][id] ?? 0, after: [0.31, 0.21, 0.06, 0.005][id] ?? 0 },
      ...{ logitBefore: 17 - 3 * id, logitAfter: 15 - 2 * id },
    })),
  }),

  'lmTransparency/faithfulness': ({ predicted = [], measured = [] }) => ({
    n: predicted.length,
    sign: predicted.filter((value, i) => value * (measured[i] ?? 0) > 0).length / Math.max(1, predicted.length),
    ...{ rho: 0.52, kept: 0.61, removed: 0.08 },
  }),
};
