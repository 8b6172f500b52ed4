/** The measured behaviour of a head: five scores, and letters for the strong ones. */
import type { HeadTag, HeadTagsResult } from '../../../extension/shared/protocol';
import { numbersOf } from '../analysis/arrays';
import type { HeadRef } from '../routes/headTotals';

/** A tag is shown from this score on. */
export const STRONG = 0.4;

export const TAG_LETTERS: Record<HeadTag, string> = {
  previous: 'P',
  first: 'F',
  duplicate: 'D',
  induction: 'I',
  self: 'S',
};

export const TAG_WORDS: Record<HeadTag, string> = {
  previous: 'previous token',
  first: 'first token',
  duplicate: 'duplicate',
  induction: 'induction',
  self: 'self',
};

export const TAG_HELP: Record<HeadTag, string> = {
  previous: 'mean attention to the token before',
  first: 'mean attention to the first token',
  duplicate: 'mean attention to earlier copies of the token',
  induction: 'mean attention to what followed earlier copies of the token',
  self: 'mean attention to the token itself',
};

export interface TagScore {
  tag: HeadTag;
  score: number;
}

/** The strongest of some tags, if it is strong. */
function best(tags: readonly TagScore[]): TagScore | null {
  const found = tags.reduce<TagScore | null>((a, b) => (a && a.score >= b.score ? a : b), null);
  return found && found.score >= STRONG ? found : null;
}

export type TagTable = ReturnType<typeof tagTable>;

/** Throws `ArrayError` where the scores are not of these layers and heads. */
export function tagTable(result: HeadTagsResult, nLayers: number, nHeads: number) {
  const nTags = result.tags.length;
  const scores = numbersOf(result.scores, 'float32', [nLayers, nHeads, nTags]);

  /** All scores of a head, in the order of the backend. */
  function of(head: HeadRef): TagScore[] {
    if (head.layer >= nLayers || head.head >= nHeads) return [];
    const first = (head.layer * nHeads + head.head) * nTags;
    return result.tags.map((tag, i) => ({ tag, score: scores[first + i] ?? 0 }));
  }

  /** The strongest tag of a head, if any is strong. */
  function strongest(head: HeadRef): TagScore | null {
    return best(of(head));
  }

  /** The tag whose letter marks a head: most heads rest on the first token, and a letter for that would fill the grid. */
  function marked(head: HeadRef): TagScore | null {
    return best(of(head).filter(({ tag }) => tag !== 'first'));
  }

  return { of, strongest, marked, nTokens: result.nTokens };
}
