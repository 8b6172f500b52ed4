import type { TokenInfo } from '../../shared/protocol';
import { PromptText } from '../prompts/pieces';

/** An edit of the document, by offsets in the text before it. */
export interface Edit {
  offset: number;
  removed: number;
  inserted: number;
}

/** Where a prompt stands in its document. */
export interface Anchor {
  start: number;
  end: number;
  indent: number;
}

/** Where the prompt stands after an edit; null when the edit touched it. Text typed at an end belongs to the prompt. */
export function moved(anchor: Anchor, edit: Edit): Anchor | null {
  const inserts = edit.inserted > 0;
  const after = edit.offset + edit.removed;
  if (edit.offset > anchor.end || (edit.offset === anchor.end && !inserts)) return anchor;
  if (after > anchor.start || (after === anchor.start && inserts)) return null;
  const shift = edit.inserted - edit.removed;
  return { ...anchor, start: anchor.start + shift, end: anchor.end + shift };
}

/** The tokens of an analysed prompt, tied to the stretch of the document they came from. */
export class PromptLink {
  private constructor(
    readonly anchor: Anchor,
    private readonly tokens: readonly TokenInfo[],
    private readonly prompt: PromptText,
  ) {}

  /** The link, where the document still holds this prompt at this place; else null. */
  static of(source: string, anchor: Anchor, prompt: string, tokens: readonly TokenInfo[]): PromptLink | null {
    if (anchor.start < 0 || anchor.end > source.length) return null;
    const text = PromptText.of(source, anchor.start, anchor.end, anchor.indent);
    return text.text === prompt ? new PromptLink(anchor, tokens, text) : null;
  }

  /** The document's range of a token; null for one that was added and for one that is not there. */
  rangeOf(position: number): { start: number; end: number } | null {
    const token = this.tokens[position];
    if (!token || token.start >= token.end) return null;
    return { start: this.prompt.toDocument(token.start), end: this.prompt.endToDocument(token.end) };
  }

  /** The token at an offset of the document: the one that starts there, or that it is inside of; null outside. */
  tokenAt(offset: number): number | null {
    const at = this.prompt.fromDocument(offset);
    if (at === null) return null;
    const inside = this.tokens.findIndex((token) => token.start <= at && at < token.end);
    if (inside !== -1) return inside;
    // behind the last character stands the last token
    const last = this.tokens.findLastIndex((token) => token.start < token.end && token.end === at);
    return last === -1 ? null : last;
  }
}
