import { createHash } from 'node:crypto';
import type { PromptAtResult } from '../../shared/protocol';

/**
 * Where a prompt stands in its document. Offsets count UTF-16 units, as VS Code does and as the backend's tokens do.
 *
 * Runs of the prompt that stand there unchanged, as columns, sorted both ways: from `at` in the prompt, `from` in the
 * document. A chat in the front matter stands outside of `start` to `end`.
 */
export interface Place {
  start: number;
  end: number;
  at: number[];
  from: number[];
  length: number[];
  /** Of the document's text there: another text at the same place is another prompt. */
  digest: string;
}

/** An edit of the document, by offsets in the text before it. */
export interface Edit {
  offset: number;
  removed: number;
  inserted: number;
}

/** The place that the server has found in `source`. */
export function placeOf(found: PromptAtResult, source: string): Place {
  const { start, end, pieceAt, pieceFrom, pieceLength } = found;
  const place = { start, end, at: pieceAt, from: pieceFrom, length: pieceLength };
  return { ...place, digest: digestOf(place, source) };
}

/** The place of a prompt that occurs verbatim in `source`; otherwise one without a place. */
export function placeAt(source: string, start: number, prompt: string): Place {
  const length = source.startsWith(prompt, start) ? prompt.length : 0;
  const place = { start, end: start + length, at: [0], from: [start], length: [length] };
  return { ...place, digest: length > 0 ? digestOf(place, source) : '' };
}

/** Whether a document holds the very text that was found there. */
export function stands(place: Place, source: string): boolean {
  return digestOf(place, source) === place.digest;
}

/** The place after an edit; null when the edit touched it. Text typed at an end belongs to the prompt. */
export function moved(place: Place, edit: Edit): Place | null {
  const { at, length, digest } = place;
  if (stretchesOf(place).some(([start, end]) => touches(edit, start, end))) return null;
  const shift = edit.inserted - edit.removed;
  const shifted = (offset: number) => (offset >= edit.offset + edit.removed ? offset + shift : offset);
  return { start: shifted(place.start), end: shifted(place.end), at, from: place.from.map(shifted), length, digest };
}

function touches(edit: Edit, start: number, end: number): boolean {
  const inserts = edit.inserted > 0;
  const after = edit.offset + edit.removed;
  if (edit.offset > end || (edit.offset === end && !inserts)) return false;
  return after > start || (after === start && inserts);
}

/** The prompt itself, and what belongs to it elsewhere. */
function stretchesOf({ start, end, from, length }: Omit<Place, 'digest'>): [start: number, end: number][] {
  const elsewhere = from.flatMap((piece, index): [number, number][] =>
    piece >= start && piece <= end ? [] : [[piece, piece + (length[index] ?? 0)]],
  );
  return [[start, end], ...elsewhere];
}

function digestOf(place: Omit<Place, 'digest'>, source: string): string {
  const hash = createHash('sha256');
  for (const [start, end] of stretchesOf(place)) hash.update(`${end - start}:`).update(source.slice(start, end));
  return hash.digest('base64');
}

/** Whether a value read from a file is a place. */
export function isPlace(value: unknown): value is Place {
  if (typeof value !== 'object' || value === null) return false;
  const { start, end, at, from, length, digest } = value as Record<string, unknown>;
  const columns = [at, from, length];
  return (
    [start, end].every(Number.isSafeInteger) &&
    columns.every((column) => Array.isArray(column) && column.every(Number.isSafeInteger)) &&
    new Set(columns.map((column) => (column as unknown[]).length)).size === 1 &&
    typeof digest === 'string'
  );
}
