/** A run of the prompt that stands unchanged in the document. */
interface Piece {
  /** Offset in the prompt. */
  at: number;
  /** Offset in the document. */
  from: number;
  length: number;
}

/**
 * A prompt made of stretches of a document, with `\n` for every line end, and the way back to the document.
 *
 * All offsets count UTF-16 units, as VS Code does and as the backend's tokens do.
 */
export class PromptText {
  readonly text: string;
  readonly #pieces: readonly Piece[];

  private constructor(
    text: string,
    pieces: readonly Piece[],
    /** Where the prompt starts and ends in the document. */
    readonly start: number,
    readonly end: number,
    /** Blanks left out at the start of each line. */
    readonly indent: number,
  ) {
    this.text = text;
    this.#pieces = pieces;
  }

  /** The stretch of `source` from `start` to `end`. `indent`: blanks to leave out at the start of every line. */
  static of(source: string, start: number, end: number, indent = 0): PromptText {
    const pieces: Piece[] = [];
    let text = '';
    let from = start;
    while (from < end) {
      from += indentAt(source, from, end, start, indent);
      const feed = source.indexOf('\n', from);
      const last = feed === -1 || feed >= end;
      const stop = last ? end : feed;
      const isCrlf = !last && stop > from && source[stop - 1] === '\r';
      const line = source.slice(from, isCrlf ? stop - 1 : stop);
      pieces.push({ at: text.length, from, length: line.length });
      text += line;
      if (!last) {
        pieces.push({ at: text.length, from: feed, length: 1 });
        text += '\n';
      }
      from = stop + 1;
    }
    return new PromptText(text, pieces, start, end, indent);
  }

  /** The document's offset of an offset in the prompt. */
  toDocument(offset: number): number {
    const piece = this.#last((candidate) => candidate.at <= offset);
    if (!piece) return this.start;
    return piece.from + Math.min(Math.max(0, offset - piece.at), piece.length);
  }

  /** The document's end of a stretch that ends at this offset of the prompt: before what was left out there. */
  endToDocument(offset: number): number {
    return offset <= 0 ? this.toDocument(offset) : this.toDocument(offset - 1) + 1;
  }

  /** The prompt's offset of an offset in the document; null outside. */
  fromDocument(offset: number): number | null {
    if (offset < this.start || offset > this.end) return null;
    const piece = this.#last((candidate) => candidate.from <= offset);
    if (!piece) return 0;
    return piece.at + Math.min(offset - piece.from, piece.length);
  }

  #last(fits: (piece: Piece) => boolean): Piece | undefined {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const piece = this.#pieces[middle];
      if (piece && fits(piece)) low = middle + 1;
      else high = middle;
    }
    return this.#pieces[low - 1];
  }
}

function indentAt(source: string, from: number, end: number, start: number, indent: number): number {
  if (indent === 0 || (from > start && source[from - 1] !== '\n')) return 0;
  let blanks = 0;
  while (blanks < indent && from + blanks < end && source[from + blanks] === ' ') blanks += 1;
  return blanks;
}
