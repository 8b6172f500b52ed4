/** The way through selections: back and forward, like a browser's. */

export interface History {
  entries: readonly string[];
  /** Index of the current entry; −1 before the first. */
  at: number;
}

export const NO_HISTORY: History = { entries: [], at: -1 };
const LONGEST = 100;

/** Adds a selection after the current one and forgets what lay ahead. */
export function visit(history: History, entry: string): History {
  if (history.entries[history.at] === entry) return history;
  const entries = [...history.entries.slice(0, history.at + 1), entry].slice(-LONGEST);
  return { entries, at: entries.length - 1 };
}

/** Moves one step; null where there is nothing. */
export function step(history: History, by: 1 | -1): History | null {
  const at = history.at + by;
  return at >= 0 && at < history.entries.length ? { entries: history.entries, at } : null;
}
