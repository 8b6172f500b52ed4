/** Answers about effects, as a backend gives them: units predicted as the test says, and measured one by one. */
import type {
  FaithfulnessParams,
  KnockOutParams,
  MeasureEffectsParams,
  MetricChoice,
  MetricValue,
  PredictEffectsResult,
  UnitEffect,
  UnitKind,
} from '../../extension/shared/protocol';
import type { Answer, Question } from '../../extension/shared/webview';
import { packedNumbers } from '../../webview/dev/views';

/** An effect with its measurement: what `measureEffects` finds. */
export function unitEffect(unit: string, kind: UnitKind, predicted: number | null, measured: number | null): UnitEffect {
  return { unit, kind, text: '', how: '', predicted, measured, kl: null, share: null };
}

/** The edges to predict: layer, query, key, predicted, measured. */
export type EdgeEffect = readonly [layer: number, query: number, key: number, predicted: number, measured: number];

export interface Effects {
  edges: readonly EdgeEffect[];
  /** Other units, with what measuring them finds. */
  units: readonly UnitEffect[];
  value: number;
  notices?: readonly string[];
}

const HOW: Partial<Record<UnitKind, string>> = { ffn: 'mean', head: 'mean', token: 'knock-out', neuron: 'mean' };

export function createEffectsBackend(effects: Effects) {
  const metricOf = ({ contrast }: MetricChoice): MetricValue => ({
    ...{ kind: 'logit', target: { id: 1, text: ' Mary' }, value: effects.value },
    contrast: contrast == null ? null : { id: 2, text: ' John' },
  });
  const nameOf = ([layer, query, key]: EdgeEffect): string =>
    `${layer === 0 ? `X0_${key}` : `I${layer - 1}_${key}`}>A${layer}_${query}`;
  const all = new Map<string, UnitEffect>([
    ...effects.edges.map((edge) => [nameOf(edge), unitEffect(nameOf(edge), 'edge', edge[3], edge[4])] as const),
    ...effects.units.map((unit) => [unit.unit, unit] as const),
  ]);
  const found = (unit: string): UnitEffect => {
    const one = all.get(unit) ?? unitEffect(unit, unit.includes('/') ? 'edge_head' : 'neuron', 0.1, 0.2);
    return { ...one, how: HOW[one.kind] ?? 'zero', kl: 0.5 };
  };
  const column = (values: number[], dtype: 'uint32' | 'float32') =>
    packedNumbers(dtype === 'uint32' ? Uint32Array.from(values) : Float32Array.from(values), [values.length]);

  function predicted(choice: MetricChoice): PredictEffectsResult {
    return {
      position: choice.position ?? 0,
      metric: metricOf(choice),
      edgeLayer: column(effects.edges.map(([layer]) => layer), 'uint32'),
      edgeQuery: column(effects.edges.map(([, query]) => query), 'uint32'),
      edgeKey: column(effects.edges.map(([, , key]) => key), 'uint32'),
      edgeEffect: column(effects.edges.map(([, , , value]) => value), 'float32'),
      ...{ heads: null, ffn: null, tokens: null, shares: null, shareError: 3e-7 },
      units: effects.units.map((unit) => ({ ...unit, measured: null })),
      notices: [...(effects.notices ?? [])],
    };
  }

  /** The answer to a question about effects; undefined for any other question. */
  return function answer({ method, params }: Question): Promise<Answer> | undefined {
    switch (method) {
      case 'lmTransparency/predictEffects':
        return Promise.resolve(predicted(params as MetricChoice));
      case 'lmTransparency/measureEffects':
        return Promise.resolve({ units: (params as MeasureEffectsParams).units?.map(found) ?? [], notices: [] });
      case 'lmTransparency/faithfulness': {
        const n = (params as FaithfulnessParams).predicted?.length ?? 0;
        return Promise.resolve({ n, sign: 0.75, rho: -0.5, kept: 1.2, removed: -0.08 });
      }
      case 'lmTransparency/knockOut': {
        const outputs = [
          { id: 1, text: ' Mary', before: 0.92, after: 0.31, logitBefore: 20, logitAfter: 17 },
          { id: 2, text: ' John', before: 0.002, after: 0.3, logitBefore: 14, logitAfter: 17 },
        ];
        return Promise.resolve({ effect: found((params as KnockOutParams).unit), metric: metricOf(params as MetricChoice), outputs });
      }
      default:
        return undefined;
    }
  };
}
