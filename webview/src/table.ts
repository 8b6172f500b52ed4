/** A list as a table: text to paste into a sheet, or a file. */
import type { Notice } from '../../extension/shared/webview';

export type Cell = string | number;

export interface Table {
  /** What it is a table of: part of test ids and of the file's name. */
  name: string;
  /** The selection that it belongs to. */
  of?: string | undefined;
  columns: readonly string[];
  /** Made when it is wanted. */
  rows: () => readonly (readonly Cell[])[];
}

/** Tab-separated; tabs, line ends and backslashes in a cell are written as \t, \n, \r and \\. */
export function toTsv(table: Table): string {
  return lines(table, (cell) => cell.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char] ?? char), '\t', '\n');
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** RFC 4180: lines end with CRLF; a cell with a comma, a quote or a line end stands in quotes, quotes doubled. */
export function toCsv(table: Table): string {
  return lines(table, (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell), ',', '\r\n');
}

function lines(table: Table, escape: (cell: string) => string, between: string, end: string): string {
  const line = (cells: readonly Cell[]): string => cells.map((cell) => escape(cellText(cell))).join(between) + end;
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
