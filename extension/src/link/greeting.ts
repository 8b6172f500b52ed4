import { PassThrough, type Readable } from 'node:stream';
import type { Attached } from './launch';

const GREETING = 'lm-transparency attached ';
const ENDED = 'lm-transparency ended ';
const LONGEST_PRELUDE = 1_000_000;

/** How a server ended unasked. */
export interface ServerEnd {
  code: number | null;
  signal: string | null;
  outOfMemory: boolean;
  lines: string[];
}

/**
 * The protocol's stream in a bridge's stdout: it begins after the greeting's line, whatever a shell printed before.
 *
 * `attached` rejects when the stream ends without it.
 */
export function afterGreeting(stdout: Readable): { stream: Readable; attached: Promise<Attached> } {
  const stream = new PassThrough();
  let before = Buffer.alloc(0);
  const attached = new Promise<Attached>((resolve, reject) => {
    const look = (chunk: Buffer) => {
      before = Buffer.concat([before, chunk]);
      const at = startOfGreeting(before);
      const end = at < 0 ? -1 : before.indexOf('\n', at);
      if (end < 0) {
        if (before.length <= LONGEST_PRELUDE) return;
        stdout.destroy();
        return reject(new Error('no greeting'));
      }
      stdout.off('data', look);
      const told = readAttached(before.toString('utf8', at + GREETING.length, end));
      if (told === null) return reject(new Error('an unexpected greeting'));
      stdout.pause();
      stream.write(before.subarray(end + 1));
      stdout.pipe(stream);
      resolve(told);
    };
    stdout.on('data', look);
    stdout.once('close', () => {
      stream.end();
      reject(new Error('no greeting'));
    });
  });
  attached.catch(() => undefined);
  return { stream, attached };
}

function startOfGreeting(text: Buffer): number {
  if (text.subarray(0, GREETING.length).toString('latin1') === GREETING) return 0;
  const at = text.indexOf(`\n${GREETING}`);
  return at < 0 ? -1 : at + 1;
}

function readAttached(json: string): Attached | null {
  try {
    const { version, processId, started } = JSON.parse(json) as Record<string, unknown>;
    if (typeof version !== 'string' || typeof processId !== 'number') return null;
    return { version, processId, started: started === true };
  } catch {
    return null;
  }
}

/** Reads the line in which a bridge reports how its server ended; null if there is none. */
export function readServerEnd(lines: readonly string[]): ServerEnd | null {
  const line = lines.findLast((text) => text.startsWith(ENDED));
  if (line === undefined) return null;
  try {
    const told = JSON.parse(line.slice(ENDED.length)) as Record<string, unknown>;
    return {
      code: typeof told['code'] === 'number' ? told['code'] : null,
      signal: typeof told['signal'] === 'string' ? told['signal'] : null,
      outOfMemory: told['outOfMemory'] === true,
      lines: Array.isArray(told['lines']) ? told['lines'].filter((text) => typeof text === 'string') : [],
    };
  } catch {
    return null;
  }
}
