/** Numbers in bulk as answers bring them: base64 of little-endian values, checked, and read once. */
import type { NumericArray } from '../../../extension/shared/protocol';

const TYPES = { uint8: Uint8Array, uint32: Uint32Array, float32: Float32Array } as const;
type Dtype = keyof typeof TYPES;
type Numbers<D extends Dtype> = InstanceType<(typeof TYPES)[D]>;

export class ArrayError extends Error {}

/** An answer is looked at again and again while the pointer moves; its text is read the first time. */
const known = new WeakMap<NumericArray, Numbers<Dtype>>();

/** The values in row-major order; throws `ArrayError` where type, shape or length are not what was asked for. */
export function numbersOf<D extends Dtype>(array: NumericArray, dtype: D, shape: readonly number[]): Numbers<D> {
  if (array.dtype !== dtype) throw new ArrayError(`An array holds ${array.dtype} where ${dtype} was expected.`);
  if (array.shape.length !== shape.length || shape.some((size, axis) => array.shape[axis] !== size)) {
    throw new ArrayError(`An array has the shape ${sizes(array.shape)} where ${sizes(shape)} was expected.`);
  }
  const found = known.get(array);
  if (found) return found as Numbers<D>;
  const bytes = bytesOf(array.data);
  const ArrayType = TYPES[dtype];
  const length = shape.reduce((product, size) => product * size, 1);
  if (bytes.byteLength !== length * ArrayType.BYTES_PER_ELEMENT) {
    throw new ArrayError(
      `An array holds ${bytes.byteLength} bytes where its shape needs ${length * ArrayType.BYTES_PER_ELEMENT}.`,
    );
  }
  const numbers = new ArrayType(bytes.buffer) as Numbers<D>;
  known.set(array, numbers);
  return numbers;
}

/** The value that was read, or a sentence why it could not be read. */
export type Read<T> = { value: T; problem: null } | { value: null; problem: string };

/** For places that cannot throw: an answer that is not readable is a sentence there. */
export function attempt<T>(read: () => T): Read<T> {
  try {
    return { value: read(), problem: null };
  } catch (error) {
    return { value: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

const sizes = (shape: readonly number[]): string => shape.join('×') || 'of one number';

/** Throws `ArrayError` for invalid base64. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  let text: string;
  try {
    text = atob(base64);
  } catch {
    throw new ArrayError('An array is not base64.');
  }
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
