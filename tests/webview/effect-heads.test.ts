import { describe, expect, it } from 'vitest';
import { computeRoutes } from '../../webview/src/routes/routes';
import { headTotals } from '../../webview/src/routes/headTotals';
import { headNumbers, numberText, numberTitle, scaleWords, strongestHead } from '../../webview/src/views/headNumbers';
import { writtenEffects } from './knownEffects';
import { randomAnalysis, sourceOfAnalysis } from './sources';

const source = sourceOfAnalysis(randomAnalysis({ nLayers: 2, nTokens: 4, nHeads: 3 }));
const routes = computeRoutes(source, { target: 3, threshold: 0.02, renormalize: true });
const known = writtenEffects(3, { '1.2': [0.1, -2.5] }, { heads: Float32Array.from([0.5, -1, 0, 0.25, 0, 0.1]) });

describe('the number of each head', () => {
  it('is its predicted effect in ink effect, or the measured one', () => {
    const numbers = headNumbers(source, routes, 3, 'effect', known);
    expect(Array.from(numbers.values)).toEqual([0.5, -1, 0, 0.25, 0, -2.5]);
    expect([numbers.largest, strongestHead(numbers)]).toEqual([2.5, { layer: 1, head: 2 }]);
    const words = (head: number, layer: number) => [
      numberTitle(numbers, { layer, head }),
      numberText(numbers, { layer, head }),
    ];
    expect(words(1, 0)).toEqual(['predicted effect, summed over positions', '−1.00']);
    expect(words(2, 1)).toEqual(['measured effect, at all positions', '−2.50']);
  });

  it('is its flow while effects are not known, and says so', () => {
    const numbers = headNumbers(source, routes, 3, 'effect', null);
    expect(numbers.values).toEqual(headTotals(source, routes, 3, 'flow'));
    expect(scaleWords(numbers)).toContain('flow through the head');
    expect(scaleWords(headNumbers(source, routes, 3, 'local', known))).toContain('sum of its contributions');
  });
});
