// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import type { ModelInfo } from '../../extension/shared/protocol';
import type { ViewState } from '../../extension/shared/webview';
import { answerInWords } from '../../webview/src/words/answer';
import { lensCells, cellStrength } from '../../webview/src/views/lensCells';
import { packedNumbers } from '../../webview/dev/views';
import { analysisMessage } from './host';
import type { FakeHost } from './host';
import { useMounted } from './mounted';
import { settled } from './panelDom';
import { randomAnalysis } from './sources';

const all = (): string => document.body.textContent ?? '';
const titles = (): string[] =>
  [...document.querySelectorAll('.section h3')].map((heading) => heading.textContent ?? '');

describe('a classifier in the panel', () => {
  let host: FakeHost;
  const show = async (task: ModelInfo['task'], view: Partial<ViewState> | null = null): Promise<void> => {
    host.say(analysisMessage({ task }, view));
    await settled();
  };
  useMounted((made) => (host = made));

  it('speaks of labels and of the state they are read from', async () => {
    await show('label');
    expect(titles()).toContain('Labels');
    expect(titles()).not.toContain('Predictions');
    expect(document.querySelector('[data-testid=predictions]')?.textContent).toContain('POSITIVE');
    expect(all()).toContain('reads its answer from the state at this position');
    await show('label', { target: 3 });
    expect(all()).toContain('if the text ended here');
  });

  it('writes a value as it is, and no probability', async () => {
    await show('value');
    expect(titles()).toContain('Value');
    const row = document.querySelector('[data-testid=predictions] li')?.textContent ?? '';
    expect(row).toMatch(/[+−]\d+\.\d\d$/);
    expect(row).not.toContain('%');
  });

  it('still speaks of tokens where a language model answers', async () => {
    await show('token');
    expect(titles()).toContain('Predictions');
    expect(all()).not.toContain('classifier');
  });
});

describe('what a classifier answers, in words', () => {
  it('says where the label is read, and what it would be elsewhere', () => {
    const analysis = randomAnalysis({ nLayers: 2, nTokens: 5, task: 'label' });
    expect(answerInWords(analysis, 4, 'end')).toMatch(/^label POSITIVE \d+%, read at end$/);
    expect(answerInWords(analysis, 2, 'here')).toMatch(/^label POSITIVE \d+%, if the text ended at here$/);
  });

  it('colours values by their range', () => {
    const shape = [2, 2];
    const values = lensCells(
      [
        {
          firstRow: 0,
          texts: { 0: 'score' },
          top: packedNumbers(new Uint32Array(4), shape),
          topProbability: packedNumbers(new Float32Array(4), shape),
          topLogit: packedNumbers(Float32Array.from([-2, 0, 1, 2]), shape),
          token: null,
          tokenProbability: null,
          tokenRank: null,
          lens: 'logit',
          notes: [],
        },
      ],
      1,
      2,
      true,
    );
    if (!values) throw new Error('there are no cells');
    expect([0, 1, 3].map((index) => cellStrength(values, index, 'probability'))).toEqual([0, 0.5, 1]);
  });
});
