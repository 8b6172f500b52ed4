import { describe, expect, it, vi } from 'vitest';
import type { Selection, TextDocument } from 'vscode';
import { LIST_PROMPTS, PROMPT_AT } from '../../extension/shared/protocol';
import { promptItems, withTyped } from '../../extension/src/commands/promptItems';
import { addition } from '../../extension/src/prompts/addition';
import { type ListedPrompt, listPrompts, promptAt } from '../../extension/src/prompts/ask';
import { wholeText } from './analyses_world';
import { Uri } from './vscode.fake';

const listed = (start: number, end: number, preview = ''): ListedPrompt => ({ start, end, preview, active: false });

describe('requests to the server', () => {
  const document = (languageId: string) =>
    ({
      uri: Uri.file('/p'),
      languageId,
      getText: () => 'one two',
      offsetAt: (position: number) => position,
    }) as unknown as TextDocument;
  const selection = (start: number, end: number, active = end) => ({ start, end, active }) as unknown as Selection;

  it.each([
    ['a selection', selection(4, 7), 4, 7],
    ['the cursor, which stands at its end', selection(4, 4), 4, 4],
    ['the beginning', null, 0, 0],
  ])('is the prompt of %s', async (_, selected, start, end) => {
    const request = vi.fn((_method: string, params: object) => Promise.resolve(wholeText('one two', params as never)));
    const prompt = await promptAt({ request }, document('lm-prompt'), selected);
    expect(request.mock.calls[0]).toMatchObject([PROMPT_AT, { uri: 'file:///p', languageId: 'lm-prompt', start, end }, { early: true }]); // prettier-ignore
    expect(prompt.place).toMatchObject(start === end ? { start: 0, end: 7 } : { start, end });
  });

  it('goes with the text where the language client does not keep the server’s copy', async () => {
    const request = vi.fn(() => Promise.resolve({ start: [0, 4], end: [3, 7], preview: ['one', 'two'], active: 1 }));
    const texts = async (languageId: string) => {
      const found = await listPrompts({ request }, document(languageId), 5);
      expect(found.map(({ preview, active }) => [preview, active])).toEqual([['one', false], ['two', true]]); // prettier-ignore
      return (request.mock.lastCall as unknown as [string, { text: string }])[1].text;
    };
    expect(await texts('lm-prompts-jsonl')).toBe('');
    expect(await texts('markdown')).toBe('one two');
    expect(request).toHaveBeenCalledWith(LIST_PROMPTS, expect.objectContaining({ cursor: 5 }), expect.anything());
  });
});

describe('a prompt that is added', () => {
  it.each([
    ['lm-prompt', '', [], 'new\n'],
    ['lm-prompt', 'one\n', [listed(0, 3)], 'one\n---\nnew\n'],
    ['lm-prompt', 'one', [listed(0, 3)], 'one\n---\nnew\n'],
    ['lm-prompt', 'one\n---\n', [listed(0, 3)], 'one\n---\nnew\n'],
    ['lm-prompt', '---\nmodel: x\n---\n', [], '---\nmodel: x\n---\nnew\n'],
    ['lm-prompts', '', [], 'new\n'],
    ['lm-prompts', 'one\ntwo', [], 'one\ntwo\nnew\n'],
    ['lm-prompts-jsonl', '{"prompt": "one"}\n', [], '{"prompt": "one"}\n{"prompt":"new"}\n'],
    ['markdown', '# T\n', [], '# T\n\n```\nnew\n```\n'],
    ['markdown', '```\none\n```\n\n', [], '```\none\n```\n\n```\nnew\n```\n'],
    ['markdown', '', [], '```\nnew\n```\n'],
  ])('to %s stands as the file does it %#', (languageId, source, prompts, expected) => {
    for (const eol of ['\n', '\r\n']) {
      const before = source.replaceAll('\n', eol);
      const added = addition(before, languageId, prompts, 'new', eol);
      if (!added) return expect.unreachable('it can be added');
      expect(before + added.insert).toBe(expected.replaceAll('\n', eol));
      expect((before + added.insert).slice(added.start)).toMatch(/^(new|\{"prompt":"new"\})/);
    }
  });

  it.each([
    ['lm-prompt', '---'],
    ['lm-prompt', '  '],
    ['lm-prompts', 'a\nb'],
    ['lm-prompts', ''],
    ['lm-chat', 'new'],
    ['markdown', '```'],
    ['plaintext', 'new'],
  ])('to %s is not "%s"', (languageId, prompt) => {
    expect(addition('one\n', languageId, [listed(0, 3)], prompt, '\n')).toBeNull();
  });

  it('is offered behind the others, unless it is one of them', () => {
    const prompts = [listed(0, 7, 'Hi $(x)'), listed(12, 15, 'a')];
    const items = promptItems(prompts, ({ start }) => (start === 12 ? 2 : 1));
    expect(withTyped(items, 'new', () => true).map(({ text, start }) => [text, start])).toEqual([
      ['Hi $(x)', 0],
      ['a', 12],
      ['new', null],
    ]);
    expect(items[0]?.label).not.toContain('$(x)');
    expect(items[1]).toMatchObject({ label: 'a', description: '2 lines' });
    const added = withTyped(items, 'new', () => true)[2];
    expect(added).toMatchObject({ label: '$(add)', description: 'Add “new” as a new prompt', alwaysShow: true });
    expect(withTyped(items, 'a', () => true)).toHaveLength(2);
    expect(withTyped(items, 'new', () => false)).toHaveLength(2);
  });
});
