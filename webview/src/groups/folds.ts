/** Which tokens have a column where not all have room: those that carry something; stretches of the others fold. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { TokenInfo } from '../../../extension/shared/protocol';
import { FOLD, SCAFFOLD } from './grouping';
import type { Columns, Groups } from './grouping';

/** The least width of a token's column and of a fold, in pixels. */
export const COLUMN_LEAST = 15;
export const FOLD_LEAST = 10;
/** Where every token has this much, nothing folds. */
const COLUMN_EASY = 20;
/** Where columns are wider than this, the words before the target are shown as well, up to so many. */
const COLUMN_WIDE = 56;
const MOST_CONTEXT = 12;
/** A fold of no more tokens than this takes as much room as they do. */
const SHORTEST = 3;
/** Pieces of a word on either side of a carrier that are shown with it. */
const MOST_PIECES = 3;

export interface FoldRules {
  /** Width of the plot in pixels. */
  room: number;
  target: number;
  /** [T] how much a token carries, the strongest first; 0: nothing. */
  carried: ArrayLike<number>;
  /** Tokens that have had a column so far and keep it where there is room. */
  before: ReadonlySet<number>;
}

/** The folds of a text: a group for each column, and one for each stretch that folds. */
export function foldsOf(tokens: readonly TokenInfo[], rules: FoldRules): Groups {
  const starts = unitStarts(tokens, rules.target);
  const chosen = chooseUnits(tokens, starts, rules);
  const first: number[] = [];
  const kind: number[] = [];
  for (let unit = 0; unit < chosen.length; unit++) {
    if (!chosen[unit] && unit > 0 && !chosen[unit - 1]) continue;
    first.push(starts[unit]!);
    kind.push(chosen[unit] ? (starts[unit + 1]! - starts[unit]! > 1 ? SCAFFOLD : 0) : FOLD);
  }
  const isFolded = first.length < tokens.length;
  return {
    unit: isFolded ? 'fold' : 'token',
    first: Uint32Array.from([...first, tokens.length]),
    kind: Uint8Array.from(kind),
  };
}

/** A chat template's tokens around a message are one unit, and every other token is one. */
function unitStarts(tokens: readonly TokenInfo[], target: number): number[] {
  const starts: number[] = [];
  tokens.forEach(({ template }, t) => {
    const goesOn = t > 0 && template && tokens[t - 1]!.template && t !== target && t - 1 !== target;
    if (!goesOn) starts.push(t);
  });
  return [...starts, tokens.length];
}

/** [U] 1 for the units that get a column. */
function chooseUnits(tokens: readonly TokenInfo[], starts: readonly number[], rules: FoldRules): Uint8Array {
  const nUnits = starts.length - 1;
  if (nUnits * COLUMN_EASY <= rules.room) return new Uint8Array(nUnits).fill(1);
  const choice = new Choice(nUnits, rules.room);
  const strength = new Float64Array(nUnits);
  for (let unit = 0; unit < nUnits; unit++) {
    for (let t = starts[unit]!; t < starts[unit + 1]!; t++)
      strength[unit] = Math.max(strength[unit]!, t === rules.target ? Infinity : (rules.carried[t] ?? 0));
  }
  const all = Array.from(strength.keys());
  const carriers = all.filter((unit) => strength[unit]! > 0).sort((a, b) => strength[b]! - strength[a]!);
  for (const unit of carriers) choice.take(unit);
  for (const unit of all) if (rules.before.has(starts[unit]!)) choice.take(unit);
  for (const unit of all) if (starts[unit + 1]! - starts[unit]! > 1) choice.take(unit);
  for (const unit of choice.units()) {
    // a piece of a word is read with the rest of it
    for (const by of [-1, 1])
      for (let at = unit, n = 0; n < MOST_PIECES && isSameWord(tokens, starts, at, by); n++) choice.take((at += by));
  }
  const atTarget = all.find((unit) => starts[unit + 1]! > rules.target) ?? 0;
  for (let back = 1; back <= Math.min(MOST_CONTEXT, atTarget); back++) choice.take(atTarget - back, COLUMN_WIDE);
  for (const [from, end] of choice.gaps()) {
    if (end - from < SHORTEST) for (let unit = from; unit < end; unit++) choice.take(unit);
  }
  return choice.chosen();
}

/** Whether a unit and the one beside it are pieces of one word. */
function isSameWord(tokens: readonly TokenInfo[], starts: readonly number[], unit: number, by: number): boolean {
  const later = by > 0 ? unit + 1 : unit;
  const [before, after] = [tokens[starts[later]! - 1], tokens[starts[later] ?? tokens.length]];
  if (!before || !after || before.template || after.template || before.special || after.special) return false;
  return /[\p{L}\p{N}]$/u.test(before.text) && /^[\p{L}\p{N}]/u.test(after.text);
}

/** Units that were chosen, and the width that they and the folds between them need at least. */
class Choice {
  private readonly sorted: number[] = [];
  private width: number;

  constructor(
    private readonly nUnits: number,
    private readonly room: number,
  ) {
    this.width = widthOf(nUnits);
  }

  units(): number[] {
    return [...this.sorted];
  }

  /** Chooses a unit if there is room for it, with columns of some width. */
  take(unit: number, columnWidth = COLUMN_LEAST): void {
    const at = placeIn(this.sorted, unit);
    if (this.sorted[at] === unit) return;
    const [from, end] = [at > 0 ? this.sorted[at - 1]! + 1 : 0, this.sorted[at] ?? this.nUnits];
    const width = this.width - widthOf(end - from) + widthOf(unit - from) + COLUMN_LEAST + widthOf(end - unit - 1);
    const spare = (columnWidth - COLUMN_LEAST) * (this.sorted.length + 1);
    if (width + spare > this.room && this.sorted.length > 0) return;
    this.width = width;
    this.sorted.splice(at, 0, unit);
  }

  /** The stretches between chosen units, shortest first: first unit, and the one after the last. */
  gaps(): [number, number][] {
    const ends = [-1, ...this.sorted, this.nUnits];
    const gaps = ends.slice(1).map((end, i): [number, number] => [ends[i]! + 1, end]);
    return gaps.filter(([from, end]) => end > from).sort(([a, b], [c, d]) => b - a - (d - c));
  }

  /** A unit alone between chosen ones is no stretch. */
  chosen(): Uint8Array {
    const marks = new Uint8Array(this.nUnits);
    for (const unit of this.sorted) marks[unit] = 1;
    for (const [from, end] of this.gaps()) if (end - from === 1) marks[from] = 1;
    return marks;
  }
}

/** The least width of a stretch that was not chosen. */
const widthOf = (units: number): number => (units === 0 ? 0 : units === 1 ? COLUMN_LEAST : FOLD_LEAST);

/** Where a number is in a rising list, or belongs. */
function placeIn(sorted: readonly number[], wanted: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First position of tokens that were unfolded together, and the one after the last. */
export type Stretch = readonly [first: number, end: number];

export const isIn = (stretches: readonly Stretch[], position: number): boolean =>
  stretches.some(([first, end]) => position >= first && position < end);

/** Folds as columns: what is unfolded or held has a column for each token, and what remains of a fold is as many folds. */
export function foldColumns({ first: starts, kind }: Groups, isShown: (position: number) => boolean): Columns {
  const nGroups = starts.length - 1;
  const of = new Uint32Array(starts[nGroups]!);
  const [first, group, kinds]: [number[], number[], number[]] = [[], [], []];
  for (let g = 0; g < nGroups; g++) {
    const what = kind?.[g] ?? 0;
    let wasShown = true;
    for (let t = starts[g]!; t < starts[g + 1]!; t++) {
      const shown = what === 0 || isShown(t);
      if (shown || wasShown) {
        first.push(t);
        group.push(g);
        kinds.push(shown ? 0 : what);
      }
      wasShown = shown;
      of[t] = first.length - 1;
    }
  }
  const nColumns = first.length;
  first.push(of.length);
  // one token is no stretch
  kinds.forEach((_, column) => first[column + 1]! - first[column]! === 1 && (kinds[column] = 0));
  return {
    nColumns,
    first: Uint32Array.from(first),
    of,
    group: Uint32Array.from(group),
    grouped: nColumns < of.length,
    kind: kinds.some((what) => what > 0) ? Uint8Array.from(kinds) : null,
  };
}
