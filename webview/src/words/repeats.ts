/** Tokens that come again are numbered, so that ·John₁ and ·John₂ can be told apart. */
import type { Analysis } from '../analysis/payload';

const known = new WeakMap<Analysis, string[]>();

/** [T] "₁", "₂" …; empty where the token comes once, or is no word. */
function ordinals(analysis: Analysis): string[] {
  const found = known.get(analysis);
  if (found) return found;
  const { tokens } = analysis.meta;
  const places = new Map<string, number[]>();
  tokens.forEach(({ text, special, template }, position) => {
    if (special || template || !/[\p{L}\p{N}]/u.test(text)) return;
    const own = places.get(text);
    if (own) own.push(position);
    else places.set(text, [position]);
  });
  const made = tokens.map(() => '');
  for (const own of places.values())
    if (own.length > 1) own.forEach((position, i) => (made[position] = subscript(i + 1)));
  known.set(analysis, made);
  return made;
}

const subscript = (number: number): string =>
  [...String(number)].map((digit) => String.fromCharCode(0x2080 + Number(digit))).join('');

export const ordinalAt = (analysis: Analysis, position: number): string => ordinals(analysis)[position] ?? '';
