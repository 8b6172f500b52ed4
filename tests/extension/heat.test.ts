import { describe, expect, it } from 'vitest';
import { flowHeat, flowSentence, HEAT_STEPS, surprisalHeat } from '../../extension/src/editor/heat';

const ranges = [null, { start: 0, end: 2 }, { start: 2, end: 5 }, { start: 5, end: 7 }, { start: 5, end: 7 }];
const rangeOf = (position: number) => ranges[position] ?? null;

describe('heat on the prompt', () => {
  it('is scaled to the largest share within the text', () => {
    const heat = flowHeat([0.6, 0.2, 0.1, 0, 0.1], ' x', 'gpt2', rangeOf);
    expect(heat.map(({ start, step, words }) => [start, step, words.slice(0, 4)])).toEqual([
      [0, HEAT_STEPS, '20 %'],
      [2, 4, '10 %'],
      [5, 4, '10 %'],
    ]);
  });

  it('sums over tokens that share a character', () => {
    expect(flowHeat([0, 0.5, 0, 0.25, 0.25], ' x', 'gpt2', rangeOf)).toMatchObject([
      { start: 0, step: 8 },
      { start: 5, words: '50 % of the flow into ·x arrives here (gpt2)', step: 8 },
    ]);
  });

  it('leaves out what is too little to be seen, and what has no place', () => {
    expect(flowHeat([0, 1, 0.01], ' x', 'gpt2', rangeOf)).toHaveLength(1);
    expect(flowHeat([1, 0, 0], ' x', 'gpt2', rangeOf)).toEqual([]);
    expect(flowHeat([], ' x', 'gpt2', rangeOf)).toEqual([]);
    expect(flowHeat([0, 0, 0, 0, 0, 1], ' x', 'gpt2', rangeOf)).toEqual([]);
  });

  it.each([
    [0.1234, ' to', '12 % of the flow into ·to arrives here (gpt2)'],
    [0.012, 'a\nb', '1 % of the flow into a⏎b arrives here (gpt2)'],
    [0.004, ' to', '0.4 % of the flow into ·to arrives here (gpt2)'],
    [0.00001, ' to', '< 0.1 % of the flow into ·to arrives here (gpt2)'],
    [1, ' to', '100 % of the flow into ·to arrives here (gpt2)'],
  ])('says how much arrives: %d', (mass, target, sentence) => {
    expect(flowSentence(mass, target, 'gpt2')).toBe(sentence);
  });
});

describe('surprisal as heat', () => {
  it('has the same scale for every prompt, and leaves cold what was expected or had nothing before it', () => {
    const found = { model: 'small', start: [0, 1, 2, 3, 4], end: [1, 2, 3, 4, 5], surprisal: [null, 0.4, 3.1, 16, 40] };
    expect(surprisalHeat(found).map(({ start, end, step }) => [start, end, step])).toEqual([
      [2, 3, 2],
      [3, 4, HEAT_STEPS],
      [4, 5, HEAT_STEPS],
    ]);
    expect(surprisalHeat(found)[0]?.words).toBe('Surprisal 3.1 bits: small gave this 12 %');
  });
});
