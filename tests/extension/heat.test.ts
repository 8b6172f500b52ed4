import { describe, expect, it } from 'vitest';
import { HEAT_STEPS, heatOf, heatSentence } from '../../extension/src/editor/heat';

const ranges = [null, { start: 0, end: 2 }, { start: 2, end: 5 }, { start: 5, end: 7 }, { start: 5, end: 7 }];
const rangeOf = (position: number) => ranges[position] ?? null;

describe('heat on the prompt', () => {
  it('is scaled to the largest share that stands in the text', () => {
    const heat = heatOf([0.6, 0.2, 0.1, 0, 0.1], rangeOf);
    expect(heat.map(({ start, step, mass }) => [start, step, mass])).toEqual([
      [0, HEAT_STEPS, 0.2],
      [2, 4, 0.1],
      [5, 4, 0.1],
    ]);
  });

  it('of tokens that share a character is their sum', () => {
    expect(heatOf([0, 0.5, 0, 0.25, 0.25], rangeOf)).toMatchObject([
      { start: 0, mass: 0.5, step: 8 },
      { start: 5, mass: 0.5, step: 8 },
    ]);
  });

  it('leaves out what is too little to be seen, and what has no place', () => {
    expect(heatOf([0, 1, 0.01], rangeOf)).toHaveLength(1);
    expect(heatOf([1, 0, 0], rangeOf)).toEqual([]);
    expect(heatOf([], rangeOf)).toEqual([]);
    expect(heatOf([0, 0, 0, 0, 0, 1], rangeOf)).toEqual([]);
  });

  it.each([
    [0.1234, ' to', '12 % of the flow into ·to arrives here'],
    [0.012, 'a\nb', '1 % of the flow into a⏎b arrives here'],
    [0.004, ' to', '0.4 % of the flow into ·to arrives here'],
    [0.00001, ' to', '< 0.1 % of the flow into ·to arrives here'],
    [1, ' to', '100 % of the flow into ·to arrives here'],
  ])('says how much arrives: %d', (mass, target, sentence) => {
    expect(heatSentence(mass, target)).toBe(sentence);
  });
});
