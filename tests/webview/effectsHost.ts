/** A host that holds every question of effects until a test answers it, with made-up numbers. */
import type {
  MetricChoice,
  NumericArray,
  PredictEffectsResult,
  UnitEffect,
  UnitKind,
} from '../../extension/shared/protocol';
import type { Answer, Question, ToWebview } from '../../extension/shared/webview';
import { randomNumbers } from '../../webview/dev/numbers';
import { packed, unpacked } from '../../webview/dev/synthetic';
import type { SyntheticOptions } from '../../webview/dev/synthetic';
import { ffnUnit, headUnit, tokenUnit } from '../../webview/src/effects/units';
import type { AskOptions } from '../../webview/src/hosts/host';
import { FakeHost } from './host';

export const LAYERS = 3;
const HEADS = 2;

export interface Held {
  method: Question['method'];
  params: MetricChoice & { units?: string[] };
  isGivenUp(): boolean;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

const METHODS = ['lmTransparency/predictEffects', 'lmTransparency/measureEffects', 'lmTransparency/faithfulness'];

export class EffectsHost extends FakeHost {
  /** Questions without an answer; those that were given up are gone. */
  held: Held[] = [];

  override reply = ({ method, params }: Question, { signal }: AskOptions): Promise<Answer> =>
    new Promise((resolve, reject) => {
      if (!METHODS.includes(method)) return;
      const isGivenUp = (): boolean => signal?.aborted === true;
      this.held.push({ method, params: params as MetricChoice, isGivenUp, resolve, reject });
      signal?.addEventListener('abort', () => reject(new Error('The request was cancelled.')));
    });

  /** What waits for an answer. */
  get inFlight(): Held[] {
    this.held = this.held.filter((one) => !one.isGivenUp());
    return this.held;
  }

  /** Answers the oldest question that waits. `most`: units that are measured in time. Returns which were. */
  answerOne(most = Infinity): string[] {
    const [one] = this.inFlight;
    this.held = this.held.filter((other) => other !== one);
    if (!one) return [];
    const measured = one.params.units?.slice(0, Math.max(1, most)) ?? [];
    one.resolve(answerTo(one, measured));
    return measured;
  }

  failOne(): void {
    const [one] = this.inFlight;
    this.held = this.held.filter((other) => other !== one);
    one?.reject(new Error('The backend stopped.'));
  }
}

function answerTo({ method, params }: Held, units: readonly string[]): Answer {
  if (method === 'lmTransparency/faithfulness') return { n: 2, sign: 1, rho: 0.5, kept: 0.6, removed: 0.1 };
  if (method === 'lmTransparency/predictEffects') return predicted(params);
  return { units: units.map((unit) => ({ ...unitOf(unit), how: 'zero', measured: 1 })), notices: [] };
}

const tokenOf = (name: string | null | undefined) => (name ? { id: Number(name.slice(1)), text: name } : null);

/** Every edge between three tokens before the position and their successors; its notice is the run's id. */
export function predicted({ runId, position, target, contrast }: MetricChoice): PredictEffectsResult {
  const at = position ?? 0;
  const random = randomNumbers(at + 1);
  const edges: [number, number, number][] = [];
  for (let layer = 0; layer < LAYERS; layer++)
    for (let query = Math.max(0, at - 2); query <= at; query++)
      for (let key = Math.max(0, query - 2); key <= query; key++) edges.push([layer, query, key]);
  const units = [
    ...Array.from({ length: LAYERS }, (_, layer) => headUnit(layer, layer % HEADS)),
    ...Array.from({ length: LAYERS }, (_, layer) => ffnUnit(layer, at)),
    ...Array.from({ length: at + 1 }, (_, token) => tokenUnit(token)),
  ];
  return {
    position: at,
    metric: { kind: 'logit', target: tokenOf(target) ?? { id: 0, text: '' }, contrast: tokenOf(contrast), value: 2 },
    edgeLayer: array('uint32', edges.map(([layer]) => layer)),
    edgeQuery: array('uint32', edges.map(([, query]) => query)),
    edgeKey: array('uint32', edges.map(([, , key]) => key)),
    edgeEffect: array('float32', edges.map(() => random() - 0.5)),
    ...{ heads: null, ffn: null, tokens: null, shares: null, shareError: null },
    units: units.map(unitOf),
    notices: [runId],
  }; // prettier-ignore
}

const KINDS: [RegExp, UnitKind][] = [[/>/, 'edge'], [/^M/, 'ffn'], [/^X/, 'token'], [/^\d/, 'head_all']]; // prettier-ignore

export function unitOf(unit: string): UnitEffect {
  const kind = KINDS.find(([pattern]) => pattern.test(unit))?.[1] ?? 'edge';
  return { unit, kind, text: '', how: '', predicted: 0.1, measured: null, kl: null, share: null };
}

export const floatsOf = (values: number[]): NumericArray => array('float32', values);

function array(dtype: 'uint32' | 'float32', values: number[]): NumericArray {
  const typed = dtype === 'uint32' ? Uint32Array.from(values) : Float32Array.from(values);
  return { dtype, shape: [values.length], data: Buffer.from(typed.buffer).toString('base64') };
}

/** The message of a run with this id. */
export function runMessage(runId: string, more: Partial<SyntheticOptions & { edited: boolean }> = {}): ToWebview {
  const { edited = false, ...options } = more;
  const payload = unpacked({ nLayers: LAYERS, nTokens: 6, nHeads: HEADS, ...options });
  payload.meta.runId = runId;
  return { type: 'analysis', runId, title: 't', payload: packed(payload).slice().buffer, view: null, edited };
}
