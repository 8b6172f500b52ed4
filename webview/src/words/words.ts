/** How tokens and numbers are written: visible spaces, few digits. */
import type { TokenInfo } from '../../../extension/shared/protocol';

const VISIBLE: Record<string, string> = { ' ': '·', '\n': '⏎', '\r': '␍', '\t': '⇥', '\u00a0': '⍽', '\u200b': '∣' };

/** A token's text with its spaces and control characters made visible. */
export function visibleText(text: string): string {
  if (text === '') return '∅';
  let out = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (VISIBLE[char] !== undefined) out += VISIBLE[char];
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += char;
  }
  return out;
}

/** A token of the prompt as its chip shows it: the first added token is the beginning of the sequence. */
export function tokenLabel(token: TokenInfo, position: number): string {
  if (token.special && !token.template && position === 0) return 'BOS';
  // A piece of a character is already written as its bytes.
  return token.shared ? token.text : visibleText(token.text);
}

/** Pixels of a character of the token font at the size of the axis, and of one that is twice as wide. */
const CHARACTER_PX = 6.7;
const PADDING_PX = 7;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** About how wide a token is under its column, with a number where it comes again. */
export function textWidth(label: string): number {
  let width = PADDING_PX;
  for (const char of label) width += WIDE.test(char) ? 2 * CHARACTER_PX : CHARACTER_PX;
  return width;
}

/** A share in [0, 1] in two digits: 0.37, 0.096, 0.0041, <0.0001. */
export function share(value: number): string {
  if (!(value > 0)) return '0';
  if (value < 0.0001) return '<0.0001';
  if (value >= 0.995) return value.toFixed(2);
  return Number(value.toPrecision(2)).toString();
}

/** A share without its leading zero, for narrow places: .12, 1.0. */
export function shortShare(value: number): string {
  const text = value.toFixed(2);
  return text.startsWith('0') ? text.slice(1) : value.toFixed(1);
}

/** A probability in per cent: 84%, 0.3%, <0.1%. */
export function percent(value: number): string {
  const hundredths = value * 100;
  if (hundredths >= 9.95) return `${Math.round(hundredths)}%`;
  if (hundredths >= 0.95) return `${Math.round(hundredths)}%`;
  return hundredths >= 0.1 ? `${hundredths.toFixed(1)}%` : '<0.1%';
}

/** The sign of a value before its size as it is written; a size that reads as zero has no sign. */
export function withSign(value: number, size: string, plus = '+'): string {
  if (Number(size) === 0) return size;
  return `${value < 0 ? '−' : plus}${size}`;
}

/** A logit with its sign: +9.1, −3.2, 0.0. */
export function signed(value: number): string {
  return withSign(value, Math.abs(value).toFixed(1));
}

/** A value that a model answers with: +0.83, −12.40. */
export function valueText(value: number): string {
  return withSign(value, Math.abs(value).toFixed(2));
}

/** A relative error: 4e-7. */
export function scientific(value: number): string {
  return value === 0 ? '0' : value.toExponential(0).replace('e+', 'e');
}

/** A threshold as typed and shown: 0.02, 0.0344. */
export function thresholdText(value: number): string {
  return value.toFixed(4).replace(/0$/, '');
}

/** A count with separators: 12,480. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** A large count in three to four digits: 134.5 M, 49.2 k, 960. */
export function many(value: number): string {
  return scaled(value, ['', ' k', ' M', ' B', ' T']);
}

/** Memory in decimal units: 538 MB, 1.6 GB. */
export function bytes(value: number): string {
  return scaled(value, [' B', ' kB', ' MB', ' GB', ' TB'], 0);
}

function scaled(value: number, units: readonly string[], digits = 1): string {
  let at = 0;
  let left = value;
  for (; left >= 999.5 && at < units.length - 1; at++) left /= 1000;
  const shown = left < 10 && at > 0 ? 1 : at > 0 ? digits : 0;
  return `${left.toFixed(shown)}${units[at] ?? ''}`;
}

/** An activation: 3.42, −0.018. */
export function activation(value: number): string {
  const size = Math.abs(value);
  const text = size >= 0.1 || size === 0 ? size.toFixed(2) : size < 0.0005 ? '0.000' : size.toFixed(3);
  return withSign(value, text, '');
}

/** A dtype as people say it: float32 is fp32. */
export function shortDtype(dtype: string): string {
  const known: Record<string, string> = { float32: 'fp32', float16: 'fp16', bfloat16: 'bf16' };
  return known[dtype] ?? dtype;
}
