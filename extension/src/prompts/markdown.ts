import type { Stretch } from './blocks';
import { lineAt, linesOf } from './lines';

const FENCE = /^( {0,3})(`{3,}|~{3,})(.*)$/;

/** The inside of the fenced code block of a Markdown text that the cursor is in, its fences included; else null. */
export function fencedBlock(source: string, cursor: number): Stretch | null {
  const at = lineAt(linesOf(source), cursor);
  return fencesOf(source).find(({ first, last }) => at >= first && at <= last)?.inside ?? null;
}

/** The inside of every fenced code block of a Markdown text that has a text. */
export function fencedBlocks(source: string): Stretch[] {
  return fencesOf(source)
    .map(({ inside }) => inside)
    .filter(({ start, end }) => source.slice(start, end).trim() !== '');
}

/** The first word behind the opening fence of the block that an offset is in, in lower case; null outside of one. */
export function fenceInfo(source: string, offset: number): string | null {
  const at = lineAt(linesOf(source), offset);
  return fencesOf(source).find(({ first, last }) => at >= first && at <= last)?.info ?? null;
}

interface Fence {
  /** Lines of the fences themselves. */
  first: number;
  last: number;
  info: string;
  inside: Stretch;
}

function fencesOf(source: string): Fence[] {
  const lines = linesOf(source);
  const fences: Fence[] = [];
  let open: { line: number; fence: string; indent: number; info: string } | null = null;
  for (const [index, line] of lines.entries()) {
    const match = FENCE.exec(line.text);
    const [, blanks = '', fence = '', info = ''] = match ?? [];
    if (open === null) {
      // a line like ```code``` is no fence
      if (match && !(fence.startsWith('`') && info.includes('`')))
        open = { line: index, fence, indent: blanks.length, info: /^\s*(\S*)/.exec(info)?.[1]?.toLowerCase() ?? '' };
      continue;
    }
    const closes = match !== null && info.trim() === '' && fence.startsWith(open.fence);
    if (!closes && index < lines.length - 1) continue;
    // an unclosed fence reaches to the end, less the file's last newline
    const last = closes || (line.text === '' && index > open.line + 1) ? index - 1 : index;
    const from = lines[open.line + 1];
    const to = lines[last];
    const isEmpty = !from || !to || last <= open.line;
    const inside = isEmpty
      ? { start: line.start, end: line.start, indent: 0 }
      : { start: from.start, end: to.end, indent: open.indent };
    fences.push({ first: open.line, last: index, info: open.info, inside });
    open = null;
  }
  return fences;
}
