/** An SVG figure as PNG, in the resolution that journals ask for. */

export const DPI = 300;
const MM_PER_INCH = 25.4;
/** Browsers draw no larger canvas. */
const MOST_PIXELS = 16_000;

/** The bytes of the PNG; they say how large it is on paper. */
export async function pngOf(svg: string): Promise<Uint8Array<ArrayBuffer>> {
  const [width, height] = sizeOf(svg);
  const dpi = Math.min(DPI, (MOST_PIXELS * MM_PER_INCH) / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round((width * dpi) / MM_PER_INCH);
  canvas.height = Math.round((height * dpi) / MM_PER_INCH);
  const image = new Image(canvas.width, canvas.height);
  image.src = asAddress(svg);
  await image.decode();
  const ctx = canvas.getContext('2d');
  if (!ctx || canvas.width === 0) throw new Error('The picture could not be drawn.');
  ctx.drawImage(image, 0, 0, canvas.width, canvas.height);
  const base64 = canvas.toDataURL('image/png').replace(/^data:image\/png;base64,/, '');
  return withDensity(
    Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)),
    dpi,
  );
}

export const asAddress = (svg: string): string => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;

/** Millimetres. */
export function sizeOf(svg: string): [number, number] {
  const found = /<svg[^>]*? width="([\d.]+)mm" height="([\d.]+)mm"/.exec(svg);
  if (!found) throw new Error('The figure has no size.');
  return [Number(found[1]), Number(found[2])];
}

/** The PNG with a chunk that says how many pixels there are in a metre, right behind its header. */
export function withDensity(png: Uint8Array, dpi: number): Uint8Array<ArrayBuffer> {
  const chunk = new DataView(new ArrayBuffer(21));
  chunk.setUint32(0, 9);
  [...'pHYs'].forEach((letter, at) => chunk.setUint8(4 + at, letter.charCodeAt(0)));
  const perMetre = Math.round((dpi / MM_PER_INCH) * 1000);
  chunk.setUint32(8, perMetre);
  chunk.setUint32(12, perMetre);
  chunk.setUint8(16, 1);
  chunk.setUint32(17, checksum(new Uint8Array(chunk.buffer, 4, 13)));
  const made = new Uint8Array(png.length + chunk.byteLength);
  made.set(png.subarray(0, HEADER_END));
  made.set(new Uint8Array(chunk.buffer), HEADER_END);
  made.set(png.subarray(HEADER_END), HEADER_END + chunk.byteLength);
  return made;
}

const HEADER_END = 33;

/** CRC-32, as PNG has it. */
function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return (sum ^ 0xffffffff) >>> 0;
}

export function bytesAsBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
