/** A list as a table: text to paste into a sheet, or a file. */
import type { Notice } from '../../../extension/shared/webview';

export type Cell = string | number;

export interface Table {
  /** The table's subject: part of test ids and of the file's name. */
  name: string;
  /** The selection that it belongs to. */
  of?: string | undefined;
  columns: readonly string[];
  /** Made when it is wanted. */
  rows: () => readonly (readonly Cell[])[];
}

/** Tab-separated; tabs, line ends and backslashes in a cell are written as \t, \n, \r and \\; formulas as in CSV. */
export function toTsv(table: Table): string {
  const cellOf = (cell: string): string => {
    const seen = cell.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char] ?? char).replace(ACTS, codePoint);
    return isFormula(seen) ? `'${seen}` : seen;
  };
  return lines(table, cellOf, '\t', '\n');
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** RFC 4180: lines end with CRLF; a cell with a comma, quote or line end is quoted, with quotes doubled. */
export function toCsv(table: Table): string {
  const quoted = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return lines(table, (cell) => quoted(csvCell(cell)), ',', '\r\n');
}

/** Characters that control a terminal or reverse text. */
const ACTS = /(?![\t\n])[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** How a spreadsheet's formulas begin, also as Japanese and Chinese keyboards write them. */
const isFormula = (text: string): boolean => /^[=+\-@\t\r\n＝＋－＠]/.test(text) && !NUMBER.test(text);

/** As `csv_cell` of the backend's `printable.py` (`tests/vectors/cells/`): a cell that begins with ' is escaped. */
export function csvCell(text: string): string {
  if (!text.startsWith("'") && !isFormula(text) && text.search(ACTS) < 0) return text;
  return `'${text.replaceAll('\\', '\\\\').replace(ACTS, codePoint)}`;
}

function codePoint(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

function lines(table: Table, escape: (cell: string) => string, between: string, end: string): string {
  const text = (cell: Cell): string => (typeof cell === 'number' ? cellText(cell) : escape(cell));
  const line = (cells: readonly Cell[]): string => cells.map(text).join(between) + end;
  return line(table.columns) + table.rows().map(line).join('');
}

/** Numbers without the digits that only single precision invented: 0.096 instead of 0.09600000083446503. */
export function cellText(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (Number.isInteger(cell) || Math.fround(cell) !== cell) return String(cell);
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(cell.toPrecision(digits));
    if (Math.fround(shorter) === cell) return String(shorter);
  }
  return String(Number(cell.toPrecision(9)));
}

/** "heads-attention_I22_2-A23_14.csv" */
export function fileName(table: Table): string {
  const parts = table.of === undefined ? [table.name] : [table.name, table.of];
  return `${parts
    .join('-')
    .replaceAll('>', '-')
    .replace(/[^\w.-]+/g, '_')}.csv`;
}

export const copied = (table: Table): Notice => ({ type: 'copy', text: toTsv(table) });

export const saved = (table: Table): Notice => ({
  type: 'save',
  name: fileName(table),
  content: toCsv(table),
  encoding: 'utf8',
});
