import { describe, expect, it } from 'vitest';
import { PayloadError, decodeAnalysis } from '../../webview/src/analysis/payload';
import { packed, unpacked } from '../../webview/dev/synthetic';
import type { Payload } from '../../webview/dev/synthetic';

const plain = (): Payload => unpacked({ nLayers: 3, nTokens: 6, nHeads: 2 });

/** The message of the refusal, after a change to a good payload. */
function refusal(change: (payload: Payload) => void): string {
  const payload = plain();
  change(payload);
  try {
    decodeAnalysis(packed(payload));
  } catch (error) {
    expect(error).toBeInstanceOf(PayloadError);
    return (error as Error).message;
  }
  return 'accepted';
}

describe('a payload', () => {
  it('becomes typed columns and row offsets', () => {
    const { meta, columns, rowOffset } = decodeAnalysis(packed(plain()));
    expect(meta.tokens).toHaveLength(6);
    expect(columns.edgeLayer).toBeInstanceOf(Uint16Array);
    expect(columns.headWeight).toBeInstanceOf(Float32Array);
    expect(columns.ffn).toHaveLength(18);
    expect(rowOffset).toHaveLength(19);
    expect(rowOffset[18]).toBe(columns.edgeKey.length);
    for (let row = 0; row < 18; row++) {
      for (let e = rowOffset[row] ?? 0; e < (rowOffset[row + 1] ?? 0); e++) {
        expect((columns.edgeLayer[e] ?? 0) * 6 + (columns.edgeQuery[e] ?? 0)).toBe(row);
      }
    }
  });

  it('is read the same wherever its bytes start', () => {
    const bytes = packed(plain());
    const expected = decodeAnalysis(bytes);
    for (const shift of [1, 2, 3]) {
      const buffer = new Uint8Array(bytes.length + shift);
      buffer.set(bytes, shift);
      expect(decodeAnalysis(buffer.subarray(shift)).columns).toEqual(expected.columns);
    }
  });

  it('is refused if its bytes are damaged', () => {
    expect(() => decodeAnalysis(new Uint8Array([0xc1, 1, 2]))).toThrow(PayloadError);
    expect(() => decodeAnalysis(packed(plain()).subarray(0, 200))).toThrow(PayloadError);
    expect(() => decodeAnalysis(new Uint8Array([0x90]))).toThrow(/meta or columns are missing/);
  });

  it('is refused in another format, naming both numbers', () => {
    expect(refusal((p) => (p.meta.format = 99))).toMatch(/format 99, but this view reads 1/);
  });

  it.each<[string, RegExp, (payload: Payload) => void]>([
    ['a column is missing', /lacks the column ffn/, (p) => delete p.columns['ffn']],
    ['a column has another type', /float64 instead of float32/, (p) => void (columnOf(p, 'ffn').dtype = 'float64')],
    ['bytes do not fit the shape', /bytes where its shape needs/, (p) => void (columnOf(p, 'ffn').shape = [4, 6])],
    ['a column has another length', /Column edgeKey has/, (p) => cut(p, 'edgeKey', 4)],
    ['rows are missing', /instead of 18/, (p) => cut(p, 'ffnResidual', 4)],
    ['there are no tokens', /no tokens/, (p) => void (p.meta.tokens = [])],
    ['predictions are missing', /predicted has 5/, (p) => void p.meta.predicted.pop()],
    ['an edge points ahead', /outside of the graph/, (p) => write(p, 'edgeKey', 0, 5, 4)],
    ['an edge lies above the last layer', /outside of the graph/, (p) => write(p, 'edgeLayer', 0, 77, 2)],
    ['edges are not sorted', /not sorted/, (p) => write(p, 'edgeLayer', 0, 2, 2)],
    [
      'heads do not add up',
      /does not end at the last head/,
      (p) => cut(p, 'headIndex', 2, () => cut(p, 'headWeight', 4)),
    ],
  ])('is refused where %s', (_, message, change) => {
    expect(refusal(change)).toMatch(message);
  });
});

function columnOf(payload: Payload, name: string): Payload['columns'][string] {
  const column = payload.columns[name];
  if (!column) throw new Error(`no column ${name}`);
  return column;
}

/** Takes the last element away. */
function cut(payload: Payload, name: string, bytes: number, then?: () => void): void {
  const column = columnOf(payload, name);
  column.data = column.data.slice(0, column.data.length - bytes);
  column.shape = [column.data.length / bytes];
  then?.();
}

function write(payload: Payload, name: string, index: number, value: number, bytes: 2 | 4): void {
  const column = columnOf(payload, name);
  column.data = column.data.slice();
  const view = new DataView(column.data.buffer);
  if (bytes === 2) view.setUint16(index * 2, value, true);
  else view.setUint32(index * 4, value, true);
}
