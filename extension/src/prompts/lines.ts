/** One line of a document: `end` is before its line end, `next` after it. */
export interface Line {
  text: string;
  start: number;
  end: number;
  next: number;
}

/** The lines of a text with their offsets; a text that ends in a newline has an empty last line. */
export function linesOf(source: string): Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (;;) {
    const feed = source.indexOf('\n', start);
    const next = feed === -1 ? source.length : feed + 1;
    let end = feed === -1 ? source.length : feed;
    if (feed !== -1 && end > start && source[end - 1] === '\r') end -= 1;
    lines.push({ text: source.slice(start, end), start, end, next });
    if (feed === -1) return lines;
    start = next;
  }
}

/** Index of the line that an offset is on. */
export function lineAt(lines: readonly Line[], offset: number): number {
  const index = lines.findIndex((line) => offset < line.next);
  return index === -1 ? lines.length - 1 : index;
}
