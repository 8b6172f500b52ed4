import type { TokenInfo } from '../../shared/protocol';
import { Pieces } from '../prompts/pieces';
import type { Place } from '../prompts/place';

/** The tokens of an analysed prompt, tied to the stretch of the document they came from. */
export class PromptLink {
  readonly #pieces: Pieces;

  constructor(
    place: Place,
    private readonly tokens: readonly Pick<TokenInfo, 'start' | 'end'>[],
  ) {
    this.#pieces = new Pieces(place);
  }

  /** The document's range of a token; null for a token that was added or is missing. */
  rangeOf(position: number): { start: number; end: number } | null {
    const token = this.tokens[position];
    if (!token || token.start >= token.end) return null;
    return { start: this.#pieces.toDocument(token.start), end: this.#pieces.endToDocument(token.end) };
  }

  /** The token at an offset of the document: the one that starts there, or that it is inside of; null outside. */
  tokenAt(offset: number): number | null {
    const at = this.#pieces.fromDocument(offset);
    if (at === null) return null;
    const inside = this.tokens.findIndex((token) => token.start <= at && at < token.end);
    if (inside !== -1) return inside;
    // an offset after the last character belongs to the last token
    const last = this.tokens.findLastIndex((token) => token.start < token.end && token.end === at);
    return last === -1 ? null : last;
  }
}
