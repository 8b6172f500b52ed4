import { describe, expect, it } from 'vitest';
import { find, findLayer } from '../../webview/src/controls/find';

const texts = ['<s>', ' Mary', ' 23', ' L', ' mary'];

describe('the finder', () => {
  it.each([
    ['23', 23],
    ['L23', 23],
    ['l 4', 4],
    ['layer 0', 0],
    ['Layer29', 29],
  ])('understands %s as a layer', (wanted, layer) => {
    expect(findLayer(30, wanted)).toBe(layer);
  });

  it.each(['30', 'L30', 'L', 'layers 3', '2 3', '-1', 'x23', ''])('takes %s for no layer', (wanted) => {
    expect(findLayer(30, wanted)).toBe(null);
  });

  it('gives the layer first and then the tokens', () => {
    expect(find(texts, 30, '23')).toEqual([
      { kind: 'layer', layer: 23 },
      { kind: 'token', position: 2 },
    ]);
    expect(find(texts, 30, 'mary')).toEqual([
      { kind: 'token', position: 1 },
      { kind: 'token', position: 4 },
    ]);
    expect(find(texts, 30, '·L')).toEqual([{ kind: 'token', position: 3 }]);
  });
});
