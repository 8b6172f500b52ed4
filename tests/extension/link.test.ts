import { describe, expect, it } from 'vitest';
import { PromptLink } from '../../extension/src/editor/link';
import type { TokenInfo } from '../../extension/shared/protocol';

const token = (start: number, end: number, more: Partial<TokenInfo> = {}): TokenInfo => ({
  id: 0, text: '', start, end, special: false, shared: false, template: false, ...more,
}); // prettier-ignore

describe('the tokens of a prompt in its document', () => {
  const source = 'x\r\n---\r\nHi you\r\n👍!\r\n';
  // of 'Hi you\n👍!': the carriage return is left out
  const place = { start: 8, end: 19, at: [0, 6], from: [8, 15], length: [6, 4], digest: '' };
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
  const link = new PromptLink(place, tokens);

  it('have the text they stand for', () => {
    const textOf = (position: number) => {
      const range = link.rangeOf(position);
      return range && source.slice(range.start, range.end);
    };
    expect([1, 2, 3, 4, 5, 6].map(textOf)).toEqual(['Hi', ' you', '\n', '👍', '👍', '!']);
    expect(textOf(0)).toBeNull();
    expect(textOf(99)).toBeNull();
  });

  it('are found by the cursor', () => {
    expect(link.tokenAt(8)).toBe(1);
    expect(link.tokenAt(10)).toBe(2);
    expect(link.tokenAt(14)).toBe(3);
    expect(link.tokenAt(16)).toBe(4);
    expect(link.tokenAt(18)).toBe(6);
    expect(link.tokenAt(19)).toBe(6);
    expect(link.tokenAt(7)).toBeNull();
    expect(link.tokenAt(20)).toBeNull();
  });
});
