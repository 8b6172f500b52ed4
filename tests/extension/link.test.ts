import { describe, expect, it } from 'vitest';
import { moved, PromptLink } from '../../extension/src/editor/link';
import type { TokenInfo } from '../../extension/shared/protocol';

const token = (start: number, end: number, more: Partial<TokenInfo> = {}): TokenInfo => ({
  id: 0, text: '', start, end, special: false, shared: false, template: false, ...more,
}); // prettier-ignore

describe('the tokens of a prompt in its document', () => {
  const source = 'x\r\n---\r\nHi you\r\n👍!\r\n';
  const anchor = { start: 8, end: 19, indent: 0 };
  const prompt = 'Hi you\n👍!';
  const bos = token(0, 0, { special: true });
  const tokens = [
    bos,
    token(0, 2),
    token(2, 6),
    token(6, 7),
    token(7, 9, { shared: true }),
    token(7, 9, { shared: true }),
    token(9, 10),
  ];
  const link = PromptLink.of(source, anchor, prompt, tokens);

  it('have the text they stand for', () => {
    const textOf = (position: number) => {
      const range = link?.rangeOf(position);
      return range && source.slice(range.start, range.end);
    };
    expect([1, 2, 3, 4, 5, 6].map(textOf)).toEqual(['Hi', ' you', '\n', '👍', '👍', '!']);
    expect(textOf(0)).toBeNull();
    expect(textOf(99)).toBeNull();
  });

  it('are found by the cursor', () => {
    expect(link?.tokenAt(8)).toBe(1);
    expect(link?.tokenAt(10)).toBe(2);
    expect(link?.tokenAt(14)).toBe(3);
    expect(link?.tokenAt(16)).toBe(4);
    expect(link?.tokenAt(18)).toBe(6);
    expect(link?.tokenAt(19)).toBe(6);
    expect(link?.tokenAt(7)).toBeNull();
    expect(link?.tokenAt(20)).toBeNull();
  });

  it('are not sought where the document holds another text', () => {
    expect(PromptLink.of(source.replace('Hi', 'Ho'), anchor, prompt, tokens)).toBeNull();
    expect(PromptLink.of('', anchor, prompt, tokens)).toBeNull();
    expect(PromptLink.of(source, { ...anchor, start: -1 }, prompt, tokens)).toBeNull();
  });
});

describe('a prompt in a document that is edited', () => {
  const anchor = { start: 10, end: 20, indent: 0 };
  it.each([
    ['typing before it shifts it', { offset: 3, removed: 0, inserted: 4 }, { start: 14, end: 24, indent: 0 }],
    ['deleting before it shifts it', { offset: 3, removed: 7, inserted: 0 }, { start: 3, end: 13, indent: 0 }],
    ['behind it nothing happens', { offset: 21, removed: 3, inserted: 1 }, anchor],
    ['deleting right behind it is not an edit of it', { offset: 20, removed: 2, inserted: 0 }, anchor],
    ['typing at its end is', { offset: 20, removed: 0, inserted: 1 }, null],
    ['typing at its start is', { offset: 10, removed: 0, inserted: 1 }, null],
    ['typing inside is', { offset: 15, removed: 0, inserted: 1 }, null],
    ['deleting across its start is', { offset: 5, removed: 6, inserted: 0 }, null],
    ['replacing everything is', { offset: 0, removed: 40, inserted: 40 }, null],
  ])('%s', (_, edit, expected) => {
    expect(moved(anchor, edit)).toEqual(expected);
  });
});
