import { describe, expect, it } from 'vitest';
import type { PromptAtResult } from '../../extension/shared/protocol';
import { Pieces } from '../../extension/src/prompts/pieces';
import { isPlace, moved, type Place, placeOf, stands } from '../../extension/src/prompts/place';
import { NOTHING_SET } from './analyses_world';

/** The place of a prompt: each piece by its offsets in prompt and document, and its length. */
function at(
  source: string,
  start: number,
  end: number,
  ...pieces: [at: number, from: number, length: number][]
): Place {
  const column = (index: 0 | 1 | 2) => pieces.map((piece) => piece[index]);
  const found = {
    text: '',
    chat: false,
    start,
    end,
    settings: NOTHING_SET,
  } satisfies Partial<PromptAtResult>;
  return placeOf({ ...found, pieceAt: column(0), pieceFrom: column(1), pieceLength: column(2) }, source);
}

describe('offsets of a prompt in its document', () => {
  it('match if the prompt occurs verbatim', () => {
    const pieces = new Pieces(at('one\n---\ntwo\nmore\n', 8, 16, [0, 8, 8]));
    expect([0, 8].map((offset) => pieces.toDocument(offset))).toEqual([8, 16]);
    expect([7, 8, 16, 17].map((offset) => pieces.fromDocument(offset))).toEqual([null, 0, 8, null]);
  });

  it('step over what is left out', () => {
    const source = '  ab\r\n    cd\r\n';
    const [text, pieces] = ['ab\n  cd', new Pieces(at(source, 0, 12, [0, 2, 2], [2, 5, 1], [3, 8, 4]))];
    for (const [offset, char] of [...text].entries()) {
      expect(source[pieces.toDocument(offset)]).toBe(char);
      expect(pieces.fromDocument(pieces.toDocument(offset))).toBe(offset);
    }
    // a stretch that ends before what is left out does not hold it
    expect([2, 3].map((offset) => pieces.endToDocument(offset))).toEqual([4, 6]);
    expect(pieces.fromDocument(1)).toBe(0);
    expect(pieces.fromDocument(7)).toBe(3);
  });

  it('take an escape for the character that it writes', () => {
    // the literal 'a\\nb\\t' with its quotes
    const pieces = new Pieces(at("'a\\nb\\t'", 1, 7, [0, 1, 1], [2, 4, 1]));
    expect([0, 1, 2, 3].map((offset) => pieces.toDocument(offset))).toEqual([1, 2, 4, 5]);
    expect([1, 2, 3, 4].map((offset) => pieces.endToDocument(offset))).toEqual([2, 4, 5, 7]);
    expect(pieces.fromDocument(3)).toBe(1);
  });

  it('lead to a chat outside of the prompt, too', () => {
    // a message in the front matter, and the body
    const pieces = new Pieces(at('--- hello ---\nworld', 14, 19, [9, 4, 5], [24, 14, 5]));
    expect(pieces.toDocument(9)).toBe(4);
    expect(pieces.fromDocument(6)).toBe(11);
    expect(pieces.fromDocument(11)).toBeNull();
    expect(pieces.fromDocument(16)).toBe(26);
  });
});

describe('a place in a document that is edited', () => {
  const source = 'x'.repeat(40);
  const place = at(source, 10, 20, [0, 10, 4], [4, 15, 5]);
  const shifted = (by: number) => ({ ...place, start: 10 + by, end: 20 + by, from: [10 + by, 15 + by] });
  it.each([
    ['typing before it shifts it', { offset: 3, removed: 0, inserted: 4 }, shifted(4)],
    ['deleting before it shifts it', { offset: 3, removed: 7, inserted: 0 }, shifted(-7)],
    ['behind it nothing happens', { offset: 21, removed: 3, inserted: 1 }, place],
    ['deleting right behind it is not an edit of it', { offset: 20, removed: 2, inserted: 0 }, place],
    ['typing at its end is', { offset: 20, removed: 0, inserted: 1 }, null],
    ['typing at its start is', { offset: 10, removed: 0, inserted: 1 }, null],
    ['typing inside is', { offset: 15, removed: 0, inserted: 1 }, null],
    ['deleting across its start is', { offset: 5, removed: 6, inserted: 0 }, null],
    ['replacing everything is', { offset: 0, removed: 40, inserted: 40 }, null],
  ])('%s', (_, edit, expected) => {
    expect(moved(place, edit)).toEqual(expected);
  });

  it('with a chat elsewhere changes with edits there, and not in between', () => {
    const chat = at(source, 30, 35, [0, 2, 4], [9, 30, 5]);
    expect(moved(chat, { offset: 3, removed: 1, inserted: 0 })).toBeNull();
    expect(moved(chat, { offset: 10, removed: 2, inserted: 0 })).toMatchObject({ start: 28, end: 33, from: [2, 28] });
  });

  it('is known again by its text alone', () => {
    const found = at('one two', 4, 7, [0, 4, 3]);
    expect(stands(found, 'one two')).toBe(true);
    expect(stands(found, 'ONE two, three')).toBe(true);
    expect(stands(found, 'one tvo')).toBe(false);
    expect(stands(found, '')).toBe(false);
  });

  it('outlives being written down', () => {
    expect(isPlace(JSON.parse(JSON.stringify(place)))).toBe(true);
    for (const wrong of [null, {}, { ...place, from: [1] }, { ...place, start: '1' }, { ...place, at: ['a', 'b'] }])
      expect(isPlace(wrong)).toBe(false);
  });
});
