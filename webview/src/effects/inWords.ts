/** Effects, what was done for them, and the number that they are counted in, in words. */
import type { MetricValue, ModelInfo, UnitEffect } from '../../../extension/shared/protocol';
import { outputText } from '../words/answer';
import { effectNumber } from '../words/effect';
import type { KnownEffects } from './known';
import { tokenUnit } from './units';

/** The number that effects are counted in: 4.92. */
export const metricText = (value: number): string => effectNumber(value).replace('+', '');

/** "effect +2.75 measured, predicted +1.28". `name`: what the second figure is. */
export function effectInWords(
  { measured, predicted }: Pick<UnitEffect, 'measured' | 'predicted'>,
  name: 'predicted' | 'share' = 'predicted',
): string {
  const guess = predicted === null ? '' : `${name} ${effectNumber(predicted)}`;
  if (measured === null) return predicted === null ? 'effect not known' : `effect ${guess}, not measured`;
  return ['effect ' + effectNumber(measured) + ' measured', guess].filter(Boolean).join(', ');
}

export const KNOCK_OUT = 'knock-out';
const DONE: Record<string, string> = {
  zero: 'set to zero',
  mean: 'set to the mean over the prompt',
  [KNOCK_OUT]: 'no later token reads it',
};

/** What was done to a unit: "set to zero". */
export const doneInWords = (how: string): string =>
  how
    .split(', ')
    .map((one) => DONE[one] ?? one)
    .join(', ');

/** What is done to tokens. A model that mixes them without attention has no knock-out; the first is never a mean. */
function doneToTokens({ units }: KnownEffects): string {
  const others = [...units.values()].filter(({ kind, unit }) => kind === 'token' && unit !== tokenUnit(0));
  return others.find(({ measured }) => measured !== null)?.how ?? KNOCK_OUT;
}

/** "knock-outs" */
export function tokensInBrief(known: KnownEffects): string {
  const how = doneToTokens(known);
  return how === KNOCK_OUT ? 'knock-outs' : `tokens ${doneInWords(how)}`;
}

/** "with the token knocked out, so that no later token can read it" */
export function tokensInWords(known: KnownEffects): string {
  const how = doneToTokens(known);
  return `with the token ${how === KNOCK_OUT ? 'knocked out, so that no later token can read it' : doneInWords(how)}`;
}

/** "logit difference ·Mary − ·John" */
export function metricInWords({ kind, target, contrast }: MetricValue, model: ModelInfo | undefined): string {
  const of = outputText(model, target.text);
  if (model?.task === 'value') return 'value';
  if (contrast) return `logit difference ${of} − ${outputText(model, contrast.text)}`;
  return `${kind === 'logprob' ? 'log-probability' : 'logit'} of ${of}`;
}

/** The class of an effect's colour. */
export const toneOf = (value: number): 'supports' | 'opposes' => (value < 0 ? 'opposes' : 'supports');
