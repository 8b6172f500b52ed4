import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { HOW } from '../../webview/src/inspectors/help';
import { cellText, copied, csvCell, fileName, saved, toCsv, toTsv } from '../../webview/src/words/table';
import type { Cell, Table } from '../../webview/src/words/table';
import { activation, bytes, many, signed, valueText } from '../../webview/src/words/words';

const table = (...rows: Cell[][]): Table => ({ name: 't', columns: ['token', 'value'], rows: () => rows });

/** A reader of RFC 4180, written from its grammar. */
function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  for (let i = 0; i < text.length;) {
    let field = '';
    if (text[i] === '"') {
      for (i++; ; i++) {
        if (text[i] !== '"') field += text[i] ?? '';
        else if (text[i + 1] === '"') field += text[i++];
        else break;
      }
      i++;
    } else {
      while (i < text.length && text[i] !== ',' && text[i] !== '\r') field += text[i++];
    }
    record.push(field);
    if (text[i] === ',') i++;
    else {
      expect(text.slice(i, i + 2)).toBe('\r\n');
      i += 2;
      records.push(record);
      record = [];
    }
  }
  return records;
}

describe('a table as a file', () => {
  const nasty = [' Mary', '"', 'a,b', '\n', '\r\n', '\t', '', '=1+1', '⟨f0 9f⟩', '""",\r', '日本'];

  it('comes back from CSV as it was, whatever the tokens hold', () => {
    const rows = nasty.map((text, i): Cell[] => [text, i]);
    const read = readCsv(toCsv(table(...rows)));
    expect(read).toEqual([['token', 'value'], ...nasty.map((text, i) => [csvCell(text), String(i)])]);
    expect(toCsv(table(['plain', 1]))).toBe('token,value\r\nplain,1\r\n');
    expect(toCsv(table(['say "hi"', 1]))).toContain('"say ""hi""",1\r\n');
  });

  it('holds no formula and nothing that acts on its reader, in the same words as the backend', () => {
    const file = new URL('../vectors/cells/csv.json', import.meta.url);
    const vectors = JSON.parse(readFileSync(file, 'utf8')) as { text: string; cell: string }[];
    for (const { text, cell } of vectors) expect(csvCell(text)).toBe(cell);
    expect(vectors.length).toBeGreaterThan(20);
    // a number is one, whatever it begins with
    expect(toCsv(table(['=1', -1.5]))).toBe("token,value\r\n'=1,-1.5\r\n");
    expect(toTsv(table(['=1', -1.5], ['\u001b[31m\u202e', 2]))).toBe("token\tvalue\n'=1\t-1.5\n\\x1b[31m\\u202e\t2\n");
  });

  it('is one line a row as TSV, with tabs, line ends and backslashes to be seen', () => {
    const text = toTsv(table(...nasty.map((token, i): Cell[] => [token, i]), ['\\t', 99]));
    const lines = text.split('\n');
    expect(lines).toHaveLength(nasty.length + 3);
    expect(lines.slice(0, -1).every((line) => line.split('\t').length === 2)).toBe(true);
    expect(toTsv(table(['a\tb\nc\r\\', 1]))).toBe('token\tvalue\na\\tb\\nc\\r\\\\\t1\n');
  });

  it('writes numbers so that they come back as the same single-precision number, and no longer than that', () => {
    expect(cellText(Math.fround(0.096))).toBe('0.096');
    expect(cellText(0.1)).toBe('0.1');
    expect(cellText(134515008)).toBe('134515008');
    for (const value of [1 / 3, 1e-9, 123456.789, -0.1, 16777217]) {
      expect(Math.fround(Number(cellText(Math.fround(value))))).toBe(Math.fround(value));
      expect(Number(cellText(value))).toBe(value);
    }
  });

  it('is sent to the host under a valid file name', () => {
    const own = { ...table(['x', 1]), name: 'heads', of: 'attention:I22_2>A23_14#4' };
    expect(fileName(own)).toBe('heads-attention_I22_2-A23_14_4.csv');
    expect(copied(own)).toEqual({ type: 'copy', text: toTsv(own) });
    expect(saved(own)).toEqual({ type: 'save', name: fileName(own), content: toCsv(own), encoding: 'utf8' });
  });
});

describe('sizes', () => {
  it('are written in few digits', () => {
    expect([134515008, 49152, 960, 7_000_000_000, 999_999].map(many)).toEqual([
      '134.5 M',
      '49.2 k',
      '960',
      '7.0 B',
      '1.0 M',
    ]);
    expect([538_060_032, 1_600_000_000, 512, 0].map(bytes)).toEqual(['538 MB', '1.6 GB', '512 B', '0 B']);
    expect([9.13, -3.21, -0.04, 0].map(signed)).toEqual(['+9.1', '−3.2', '0.0', '0.0']);
    expect([0.826, -12.4, -0.004].map(valueText)).toEqual(['+0.83', '−12.40', '0.00']);
    expect([3.416, -0.0182, 0, -12.5, -0.0001].map(activation)).toEqual(['3.42', '−0.018', '0.00', '−12.50', '0.000']);
  });
});

describe('help', () => {
  it('leads to headings that the page has', () => {
    const page = readFileSync(fileURLToPath(new URL('../../docs/inspectors.md', import.meta.url)), 'utf8');
    const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );
    expect(anchors).toEqual(expect.arrayContaining(Object.keys(HOW)));
    expect(new Set(anchors).size).toBe(anchors.length);
  });
});
