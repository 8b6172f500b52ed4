import { describe, expect, it } from 'vitest';
import { MOST_ITEMS } from '../../extension/shared/webview';
import { readQuestion } from '../../extension/src/panel/question';

describe('a question of the panel', () => {
  const promoted = (n: number) => ({
    method: 'lmTransparency/promoted',
    params: { runId: 'r1', units: Array.from({ length: n }, (_, head) => `2.${head}@5`), topK: 3 },
  });

  it('gets through with the longest list that the panel asks about, as with the heads of a wide layer', () => {
    expect(readQuestion(promoted(MOST_ITEMS))?.params).toMatchObject({ runId: 'r1', topK: 3 });
    expect(readQuestion(promoted(MOST_ITEMS + 1))).toBeNull();
  });
});
