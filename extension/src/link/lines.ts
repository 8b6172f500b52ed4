import { StringDecoder } from 'node:string_decoder';

/** Cuts a stream of bytes into lines; a character split over two chunks stays whole. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(private readonly onLine: (line: string) => void) {}

  /** Takes a chunk and returns its text. */
  push(chunk: Buffer): string {
    const text = this.#decoder.write(chunk);
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.onLine(line);
    return text;
  }

  /** The last line, when it had no newline. */
  end(): void {
    if (this.#rest !== '') this.onLine(this.#rest);
    this.#rest = '';
  }
}
