/** Type checks for values from outside; each message checks their meaning. */

/** An object as JSON makes it: no array, and of no class. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length <= longest;
}

export function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A copy in which each item is as `read` copies it; null for what is no list, is too long, or has an item that is none. */
export function readList<T>(value: unknown, most: number, read: (item: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > most) return null;
  const copied: T[] = [];
  // by index, so that holes are looked at as well
  for (let index = 0; index < value.length; index += 1) {
    const item = read(value[index]);
    if (item === null) return null;
    copied.push(item);
  }
  return copied;
}
