import type { Place } from './place';

/** The way from a prompt to its document and back. */
export class Pieces {
  constructor(private readonly place: Place) {}

  /** The document's offset of an offset in the prompt; of an escape, where it begins. */
  toDocument(offset: number): number {
    const index = lastAtMost(this.place.at, offset);
    const [at, from, length] = this.#piece(Math.max(0, index));
    return from + Math.min(Math.max(0, offset - at), length);
  }

  /** The document's end of a stretch that ends at this offset of the prompt: before what was left out there. */
  endToDocument(offset: number): number {
    if (offset <= 0) return this.toDocument(offset);
    const index = lastAtMost(this.place.at, offset - 1);
    const [at, from, length] = this.#piece(Math.max(0, index));
    if (offset - at <= length) return from + offset - at;
    // within an escape, which belongs to its character as a whole
    return index + 1 < this.place.at.length ? this.#piece(index + 1)[1] : Math.max(this.place.end, from + length);
  }

  /** The prompt's offset of an offset in the document; null outside. */
  fromDocument(offset: number): number | null {
    const { start, end, from } = this.place;
    const index = lastAtMost(from, offset);
    const [at, piece, length] = this.#piece(Math.max(0, index));
    const isInside = index >= 0 && offset <= piece + length;
    if (!isInside && (offset < start || offset > end)) return null;
    return index < 0 ? 0 : at + Math.min(offset - piece, length);
  }

  #piece(index: number): [at: number, from: number, length: number] {
    const { at, from, length, start } = this.place;
    return [at[index] ?? 0, from[index] ?? start, length[index] ?? 0];
  }
}

/** Index of the last of the sorted `values` that is not larger; -1 where all are. */
function lastAtMost(values: readonly number[], wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
