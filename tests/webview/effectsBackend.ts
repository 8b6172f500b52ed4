/** Answers about effects, as a backend gives them: units predicted as the test says, and measured when they are asked for. */
import type {
  FaithfulnessParams,
  FaithfulnessResult,
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
import type { FakeHost } from './host';
import { edgeAt, placeOfUnit } from '../../webview/src/effects/units';
import { writtenUnits } from './knownEffects';
import type { Written } from './knownEffects';

interface Effects {
  /** By name: predicted, and what measuring finds. */
  units: Written;
  /** The number that effects are counted in. */
  value: number;
  faithfulness?: Partial<FaithfulnessResult>;
  notices?: readonly string[];
}

function kindOf(unit: string): UnitKind {
  if (unit.includes('>')) return unit.includes('/') ? 'edge_head' : 'edge';
  if (/^\d/.test(unit)) return 'head';
  if (unit.startsWith('X')) return 'token';
  return unit.includes('#') ? 'neuron' : unit.includes('@') ? 'expert' : 'ffn';
}

const HOW: Partial<Record<UnitKind, string>> = { token: 'knock-out', edge: 'zero', edge_head: 'zero' };

/** Answers a question about effects; undefined for any other question. */
function createEffectsBackend({ units, value, faithfulness = {}, notices = [] }: Effects) {
  const all = new Map(writtenUnits(units).map((unit) => [unit.unit, { ...unit, kind: kindOf(unit.unit) }]));
  const metricOf = ({ contrast }: MetricChoice): MetricValue => ({
    ...{ kind: 'logit', target: { id: 1, text: ' Mary' }, value },
    contrast: typeof contrast === 'string' ? { id: 2, text: ' John' } : null,
  });
  const measured = (unit: string): UnitEffect => {
    const kind = kindOf(unit);
    const found = all.get(unit) ?? { unit, kind, text: '', predicted: null, measured: 0.2, share: null };
    return { ...found, how: HOW[kind] ?? 'mean', kl: 0.5 };
  };
  const edges = [...all.values()].filter(({ kind }) => kind === 'edge');
  const places = edges.map(({ unit }) => edgeAt(placeOfUnit(unit) ?? 0));
  const column = (values: number[]) => packedNumbers(Uint32Array.from(values), [values.length]);

  function predicted(choice: MetricChoice): PredictEffectsResult {
    const effects = Float32Array.from(edges, (edge) => edge.predicted ?? 0);
    return {
      ...{ position: choice.position ?? 0, metric: metricOf(choice) },
      ...{ edgeLayer: column(places.map(({ layer }) => layer)), edgeQuery: column(places.map(({ query }) => query)) },
      ...{ edgeKey: column(places.map(({ key }) => key)), edgeEffect: packedNumbers(effects, [edges.length]) },
      ...{ heads: null, ffn: null, tokens: null, shares: null, shareError: 3e-7, notices: [...notices] },
      units: [...all.values()]
        .filter(({ kind }) => kind !== 'edge')
        .map((unit) => ({ ...unit, how: '', measured: null })),
    };
  }

  return ({ method, params }: Question): Answer | undefined => {
    switch (method) {
      case 'lmTransparency/predictEffects':
        return predicted(params as MetricChoice);
      case 'lmTransparency/measureEffects':
        return { units: (params as MeasureEffectsParams).units?.map(measured) ?? [], notices: [] };
      case 'lmTransparency/faithfulness': {
        const n = (params as FaithfulnessParams).predicted?.length ?? 0;
        return { ...{ n, sign: null, rho: null, kept: null, removed: null }, ...faithfulness };
      }
      case 'lmTransparency/knockOut': {
        const outputs = [
          { id: 1, text: ' Mary', before: 0.92, after: 0.31, logitBefore: 20, logitAfter: 17 },
          { id: 2, text: ' John', before: 0.002, after: 0.3, logitBefore: 14, logitAfter: 17 },
        ];
        return { effect: measured((params as KnockOutParams).unit), metric: metricOf(params as MetricChoice), outputs };
      }
      default:
        return undefined;
    }
  };
}

/** The host answers questions about effects, and no others. */
export function answerEffects(host: FakeHost, effects: Effects): void {
  const answer = createEffectsBackend(effects);
  host.reply = (question) => {
    const found = answer(question);
    return found ? Promise.resolve(found) : new Promise(() => undefined);
  };
}
