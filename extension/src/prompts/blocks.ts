import { type Line, lineAt, linesOf } from './lines';

/** A stretch of the document, by offsets. `indent`: blanks that do not belong to its lines. */
export interface Stretch {
  start: number;
  end: number;
  indent: number;
}

interface Block {
  first: number;
  last: number;
}

export const SEPARATOR = '---';
const KEY_LINE = /^[A-Za-z_][\w.-]*[ \t]*:([ \t]|$)/;
const FILLER_LINE = /^\s*(#.*)?$|^\s+\S|^- /;

/**
 * The prompt of a `.prompt` file at the cursor: prompts are parted by lines of `---`; front matter is none.
 *
 * Empty lines beside a separator part, too. Only the last newline of the file is the editor's.
 */
export function promptBlock(source: string, cursor: number): Stretch {
  const lines = linesOf(source);
  const { first, blocks } = blocksOf(lines);
  const at = lineAt(lines, cursor);
  // on a separator the block below is meant, unless there is nothing in it
  const under = Math.max(
    0,
    blocks.findIndex((block) => at <= block.last && at >= block.first - 1),
  );
  const onSeparator = blocks[under] !== undefined && at === blocks[under].first - 1;
  const chosen =
    onSeparator && !hasText(lines, blocks[under]) && hasText(lines, blocks[under - 1])
      ? under - 1
      : at < first
        ? 0
        : under;
  return stretchOf(source, lines, blocks[chosen] ?? { first, last: lines.length - 1 });
}

/** Every prompt of a `.prompt` file that has a text. */
export function promptBlocks(source: string): Stretch[] {
  const lines = linesOf(source);
  return blocksOf(lines)
    .blocks.filter((block) => hasText(lines, block))
    .map((block) => stretchOf(source, lines, block));
}

/** Whether a prompt can be written at the end of a `.prompt` file without parting it from the one before. */
export function endsEmpty(source: string): boolean {
  const lines = linesOf(source);
  return !hasText(lines, blocksOf(lines).blocks.at(-1));
}

function blocksOf(lines: readonly Line[]): { first: number; blocks: Block[] } {
  const first = frontMatterLines(lines.map((line) => line.text));
  const separators = lines.flatMap((line, index) => (index >= first && isSeparator(line.text) ? [index] : []));
  const edges = [first - 1, ...separators, lines.length];
  const blocks = edges.slice(0, -1).map((edge, index) => ({ first: edge + 1, last: (edges[index + 1] ?? 0) - 1 }));
  return { first, blocks };
}

function hasText(lines: readonly Line[], block: Block | undefined): boolean {
  return block !== undefined && lines.slice(block.first, block.last + 1).some((line) => line.text.trim() !== '');
}

function stretchOf(source: string, lines: readonly Line[], { first, last }: Block): Stretch {
  let [from, to] = [first, last];
  const isEmpty = (index: number) => lines[index]?.text === '';
  if (from > 0) while (from < to && isEmpty(from)) from += 1;
  if (to < lines.length - 1) while (to > from && isEmpty(to)) to -= 1;
  else if (to > from && isEmpty(to)) to -= 1;
  const start = lines[from]?.start ?? source.length;
  return { start, end: Math.max(start, lines[to]?.end ?? start), indent: 0 };
}

/** Whether a line parts prompts. */
export function isSeparator(text: string): boolean {
  return text.trimEnd() === SEPARATOR;
}

/** How many lines the front matter takes: a leading `---` … `---` with nothing but `key: value` in between. */
export function frontMatterLines(lines: readonly string[]): number {
  if (!isSeparator(lines[0] ?? '')) return 0;
  const close = lines.findIndex((line, index) => index > 0 && isSeparator(line));
  const inside = lines.slice(1, close);
  const first = inside.find((line) => line.trim() !== '' && !line.startsWith('#'));
  if (close === -1 || first === undefined || !KEY_LINE.test(first)) return 0;
  return inside.every((line) => KEY_LINE.test(line) || FILLER_LINE.test(line)) ? close + 1 : 0;
}
