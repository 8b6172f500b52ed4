import { describe, expect, it } from 'vitest';
import type { NumericArray } from '../../extension/shared/protocol';
import { ArrayError, attempt, numbersOf } from '../../webview/src/analysis/arrays';

const base64 = (bytes: ArrayBuffer | Uint8Array): string =>
  Buffer.from(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)).toString('base64');
const floats = (values: number[], shape: number[]): NumericArray => ({
  dtype: 'float32',
  shape,
  data: base64(Float32Array.from(values).buffer),
});

describe('numbers in bulk', () => {
  it('are read in row-major order, little-endian', () => {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setFloat32(0, 0.5, true);
    bytes.setFloat32(4, -3, true);
    const array: NumericArray = { dtype: 'float32', shape: [2, 1], data: base64(bytes.buffer) };
    expect([...numbersOf(array, 'float32', [2, 1])]).toEqual([0.5, -3]);
    const counts: NumericArray = { dtype: 'uint32', shape: [1], data: base64(new Uint8Array([1, 2, 0, 0])) };
    expect([...numbersOf(counts, 'uint32', [1])]).toEqual([513]);
    const levels: NumericArray = { dtype: 'uint8', shape: [3], data: base64(new Uint8Array([0, 128, 255])) };
    expect([...numbersOf(levels, 'uint8', [3])]).toEqual([0, 128, 255]);
  });

  it('are read once', () => {
    const array = floats([1, 2], [2]);
    expect(numbersOf(array, 'float32', [2])).toBe(numbersOf(array, 'float32', [2]));
  });

  it('are refused if type, shape or length differ, even if read before', () => {
    const array = floats([1, 2, 3, 4], [2, 2]);
    numbersOf(array, 'float32', [2, 2]);
    expect(() => numbersOf(array, 'uint32', [2, 2])).toThrow('holds float32 where uint32 was expected');
    expect(() => numbersOf(array, 'float32', [4])).toThrow('shape 2×2 where 4 was expected');
    expect(() => numbersOf(array, 'float32', [2, 3])).toThrow(ArrayError);
    expect(() => numbersOf({ ...array, data: base64(new Uint8Array(15)) }, 'float32', [2, 2])).toThrow(
      '15 bytes where its shape needs 16',
    );
    expect(() => numbersOf({ ...array, data: '§' }, 'float32', [2, 2])).toThrow('not base64');
  });

  it('become a sentence if they cannot be read and nothing may be thrown', () => {
    expect(attempt(() => 3)).toEqual({ value: 3, problem: null });
    const read = attempt(() => numbersOf(floats([1], [1]), 'float32', [9]));
    expect(read.value).toBe(null);
    expect(read.problem).toContain('shape 1 where 9');
  });
});
