import { describe, expect, it } from 'vitest';
import { findTokens } from '../../webview/src/controls/find';
import {
  percent,
  scientific,
  share,
  shortShare,
  signed,
  thresholdText,
  tokenLabel,
  visibleText,
} from '../../webview/src/words/words';
import { ordinalAt } from '../../webview/src/words/repeats';
import { randomAnalysis } from './sources';
import { strongest } from '../../webview/src/views/routesList';

describe('words', () => {
  it('make spaces and control characters visible', () => {
    expect(visibleText(' Mary')).toBe('·Mary');
    expect(visibleText('\n\t')).toBe('⏎⇥');
    expect(visibleText('')).toBe('∅');
    expect(visibleText('\u0000')).toBe('\\x00');
    expect(visibleText('⟨f0 9f⟩')).toBe('⟨f0·9f⟩');
    const special = { id: 1, text: '<s>', start: 0, end: 0, special: true, shared: false, template: false };
    expect(tokenLabel(special, 0)).toBe('BOS');
    expect(tokenLabel(special, 3)).toBe('<s>');
    expect(tokenLabel({ ...special, template: true }, 0)).toBe('<s>');
  });

  it('write numbers in few digits', () => {
    expect([0.3712, 0.0957, 0.00412, 0.00001, 0, 1].map(share)).toEqual([
      '0.37',
      '0.096',
      '0.0041',
      '<0.0001',
      '0',
      '1.00',
    ]);
    expect([0.123, 0, 1].map(shortShare)).toEqual(['.12', '.00', '1.0']);
    expect([0.843, 0.0412, 0.0031, 0.0001].map(percent)).toEqual(['84%', '4%', '0.3%', '<0.1%']);
    expect([9.13, -3.24].map(signed)).toEqual(['+9.1', '−3.2']);
    expect([4.1e-7, 0].map(scientific)).toEqual(['4e-7', '0']);
    expect([0.02, 0.0344, 0.9].map(thresholdText)).toEqual(['0.020', '0.0344', '0.900']);
  });

  it('find tokens by their text', () => {
    const texts = [' Mary', ' and', ' mary', 'X'];
    expect(findTokens(texts, 'mary')).toEqual([0, 2]);
    expect(findTokens(texts, '·a')).toEqual([1]);
    expect(findTokens(texts, '')).toEqual([]);
  });

  it('name the strongest first and leave out what is nothing', () => {
    const values = [0.1, 0, 0.5, 0.3];
    expect(strongest([0, 1, 2, 3], (i) => values[i] ?? 0, 2)).toEqual([2, 3]);
  });
});

describe('tokens that come again', () => {
  it('are numbered, and those that come once or are no words are not', () => {
    const { meta, ...rest } = randomAnalysis({ nLayers: 1, nTokens: 7 });
    const texts = [' John', ' gave', ',', ' John', ',', '<s>', '<s>'];
    const tokens = meta.tokens.map((token, i) => ({ ...token, text: texts[i] ?? '', special: i > 4 }));
    const analysis = { meta: { ...meta, tokens }, ...rest };
    expect(tokens.map((_, position) => ordinalAt(analysis, position))).toEqual(['₁', '', '', '₂', '', '', '']);
  });
});
