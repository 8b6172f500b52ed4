import type { Stretch } from './blocks';
import { type Line, lineAt, linesOf } from './lines';

/** The prompt of a file with a prompt a line: the cursor's line; from an empty one the next below, else above. */
export function promptLine(source: string, cursor: number): Stretch {
  const lines = linesOf(source);
  const at = lineAt(lines, cursor);
  const line = lines.slice(at).find(hasText) ?? lines.slice(0, at).findLast(hasText) ?? lines[at];
  return { start: line?.start ?? 0, end: line?.end ?? 0, indent: 0 };
}

/** Every prompt of a file with a prompt a line. Empty lines are none. */
export function promptLines(source: string): Stretch[] {
  return linesOf(source)
    .filter(hasText)
    .map(({ start, end }) => ({ start, end, indent: 0 }));
}

function hasText(line: Line): boolean {
  return line.text.trim() !== '';
}
