/** Which tokens make up a word, a sentence, a line or a span, and which of them share a column of the graph. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices are in range by construction */
import type { TokenInfo } from '../../../extension/shared/protocol';
import type { Grouping } from '../../../extension/shared/webview';

/** A text of G groups, as positions. */
export interface Groups {
  unit: Exclude<Grouping, 'auto'> | 'fold';
  /** [G+1] first position of each group, and the number of tokens. */
  first: Uint32Array;
  /** [G] of folds: FOLD, SCAFFOLD, or 0 for a token. */
  kind?: Uint8Array;
}

/** A stretch of tokens that have no column of their own. */
export const FOLD = 1;
/** What a chat template put around a message, as one column. */
export const SCAFFOLD = 2;

/** C columns for T tokens, from left to right. */
export interface Columns {
  nColumns: number;
  /** [C+1] first position of each column, and the number of tokens. */
  first: Uint32Array;
  /** [T] the column of each token. */
  of: Uint32Array;
  /** [C] the group that a column shows or is in. */
  group: Uint32Array;
  /** True where a column holds several tokens. */
  grouped: boolean;
  /** [C] of folds: FOLD, SCAFFOLD, or 0; null where no column is one. */
  kind: Uint8Array | null;
}

const SPANS = { span8: 8, span32: 32, span128: 128 } as const;

export interface Text {
  prompt: string;
  tokens: readonly TokenInfo[];
}

export function groupsOf(text: Text, unit: Exclude<Grouping, 'auto'>): Groups {
  return { unit, first: startsOf(text, unit) };
}

function startsOf(text: Text, unit: Exclude<Grouping, 'auto'>): Uint32Array {
  const nTokens = text.tokens.length;
  if (unit === 'token') return Uint32Array.from({ length: nTokens + 1 }, (_, t) => t);
  const starts: number[] = [];
  if (unit === 'word' || unit === 'sentence' || unit === 'line') {
    const begins = beginnings(text, unit);
    for (let t = 0; t < nTokens; t++) if (begins(t) || t === 0) starts.push(t);
  } else for (let t = 0; t < nTokens; t += SPANS[unit]) starts.push(t);
  return Uint32Array.from([...starts, nTokens]);
}

/** Whether a group begins at each token in turn. White space and punctuation belong to the preceding group. */
function beginnings({ prompt, tokens }: Text, unit: 'word' | 'sentence' | 'line'): (position: number) => boolean {
  const starts = unit === 'line' ? lineStarts(prompt) : segmentStarts(prompt, unit);
  let segment = -1;
  let added = false;
  return (position) => {
    const { start, end, special } = tokens[position]!;
    const wasAdded = added;
    added = special || end <= start;
    if (added || wasAdded) {
      while (segment + 1 < starts.length && starts[segment + 1]! < end) segment++;
      return true;
    }
    let at = start;
    while (at < end && isSpace(prompt.charCodeAt(at))) at++;
    if (at === end) return false;
    const before = segment;
    // What begins inside of a token belongs to the tokens after it, but a word's first letter is where it begins.
    const reach = unit === 'word' ? end - 1 : at;
    while (segment + 1 < starts.length && starts[segment + 1]! <= reach) segment++;
    return segment > before;
  };
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13) || code === 0xa0;

function lineStarts(prompt: string): number[] {
  const starts = [0];
  for (let at = prompt.indexOf('\n'); at >= 0; at = prompt.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** Segments by Unicode's rules (UAX 29) in every language; words need letters or digits. */
function segmentStarts(prompt: string, granularity: 'word' | 'sentence'): number[] {
  const starts: number[] = [];
  for (const segment of new Intl.Segmenter(undefined, { granularity }).segment(prompt)) {
    if (granularity === 'sentence' || segment.isWordLike) starts.push(segment.index);
  }
  return starts;
}

/** Every group as one column, but for those that are open: their tokens have a column each. */
export function columnsOf({ first: starts }: Groups, isOpen: (group: number) => boolean): Columns {
  const nGroups = starts.length - 1;
  const nTokens = starts[nGroups]!;
  const first: number[] = [];
  const group: number[] = [];
  const of = new Uint32Array(nTokens);
  for (let g = 0; g < nGroups; g++) {
    const open = isOpen(g);
    for (let t = starts[g]!; t < starts[g + 1]!; t++) {
      if (open || t === starts[g]) {
        first.push(t);
        group.push(g);
      }
      of[t] = first.length - 1;
    }
  }
  const nColumns = first.length;
  first.push(nTokens);
  return {
    nColumns,
    first: Uint32Array.from(first),
    of,
    group: Uint32Array.from(group),
    grouped: nColumns < nTokens,
    kind: null,
  };
}

/** True for a column that stands for tokens which have none. */
export const isFold = ({ kind }: Columns, column: number): boolean => kind?.[column] === FOLD;

/** How many tokens a column holds. */
export const sizeOf = (columns: Columns, column: number): number => columns.first[column + 1]! - columns.first[column]!;

/** The group of a position: binary search. */
export function groupAt({ first }: Groups, position: number): number {
  let low = 0;
  let high = first.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (first[middle]! <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** One token a column. */
export function singleColumns(nTokens: number): Columns {
  const first = Uint32Array.from({ length: nTokens + 1 }, (_, t) => t);
  return {
    nColumns: nTokens,
    first,
    of: first.subarray(0, nTokens),
    group: first.subarray(0, nTokens),
    grouped: false,
    kind: null,
  };
}
