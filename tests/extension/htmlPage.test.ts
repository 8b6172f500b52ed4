import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { fillPage } from '../../extension/src/panel/htmlPage';
import { EFFECTS } from './analyses_world';

const TEMPLATE = '<title>__LM_TRANSPARENCY_TITLE__</title><script>page = __LM_TRANSPARENCY_PAGE__</script>';
const content = {
  title: 'ioi.prompt',
  runId: 'r1',
  payload: new Uint8Array([0, 255, 60]),
  view: { target: 3 },
  effects: EFFECTS,
  answers: null,
};

function pageIn(html: string): unknown {
  const script = /<script>(.*)<\/script>/su.exec(html)?.[1] ?? '';
  const scope: { page?: unknown } = {};
  runInNewContext(script, scope);
  return scope.page;
}

describe('the self-contained page', () => {
  it('holds the analysis and the view', () => {
    expect(pageIn(fillPage(TEMPLATE, content))).toEqual({
      title: 'ioi.prompt',
      runId: 'r1',
      payload: 'AP88',
      view: { target: 3 },
      effects: EFFECTS,
    });
  });

  it('holds the answers that it is given', () => {
    expect(pageIn(fillPage(TEMPLATE, { ...content, answers: 'H4sI' }))).toMatchObject({ answers: 'H4sI' });
  });

  it.each([
    '</script><script>alert(1)</script>',
    '<!-- & "quotes" \' -->',
    '__LM_TRANSPARENCY_PAGE__ and __LM_TRANSPARENCY_TITLE__',
    "$& $1 $' $`",
    'a\u2028b\u2029c',
  ])('takes nothing of the title for markup or script: %s', (title) => {
    const html = fillPage(TEMPLATE, { ...content, title });
    expect(html.match(/<\/?script/g)).toHaveLength(2);
    expect(html.match(/<\/?title>/g)).toHaveLength(2);
    expect(pageIn(html)).toMatchObject({ title });
    expect(/<title>(.*)<\/title>/su.exec(html)?.[1]).not.toMatch(/[<>"']/);
  });
});
