/** How much each token carries: of the routes, and of what was measured. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { Analysis } from '../analysis/payload';
import { MEASURED } from '../effects/table';
import type { EffectTable } from '../effects/table';
import type { Routes } from '../routes/routes';

/** A token's measured effect counts from this fraction of the largest one on. */
const NOTABLE = 0.1;

/**
 * [T] in [0, 1]: the strongest edge between different tokens that begins or ends at a token, by flow or by measured
 * effect, beside the strongest of all; or the token's own measured effect. 0: nothing touches it.
 */
export function carriedBy({ columns, meta }: Analysis, routes: Routes, effects: EffectTable | null): Float64Array {
  const { edgeQuery, edgeKey } = columns;
  const { kept, keptFlow } = routes;
  const carried = new Float64Array(meta.tokens.length);
  const raise = (position: number, value: number): void => {
    if (value > carried[position]!) carried[position] = value;
  };
  for (let i = 0; i < kept.length; i++) {
    const [query, key] = [edgeQuery[kept[i]!]!, edgeKey[kept[i]!]!];
    if (query === key) continue;
    raise(query, keptFlow[i]!);
    raise(key, keptFlow[i]!);
  }
  const most = largest(carried);
  if (most > 0) for (let t = 0; t < carried.length; t++) carried[t]! /= most;
  if (effects) addEffects(effects, raise);
  return carried;
}

function addEffects({ notable, tokens }: EffectTable, raise: (position: number, value: number) => void): void {
  const strongest = Math.abs(notable[0]?.figure.value ?? 0);
  for (const { query, key, figure } of notable) {
    if (query === key) continue;
    raise(query, Math.abs(figure.value) / strongest);
    raise(key, Math.abs(figure.value) / strongest);
  }
  // heads rest on the first token, which says nothing of the others
  const measured = Array.from(tokens.value, (value, t) => (t > 0 && tokens.how[t] === MEASURED ? Math.abs(value) : 0));
  const most = largest(measured);
  measured.forEach((value, t) => value > 0 && value >= NOTABLE * most && raise(t, value / most));
}

const largest = (values: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  return most;
};
