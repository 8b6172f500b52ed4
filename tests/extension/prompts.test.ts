import { describe, expect, it } from 'vitest';
import { Failure } from '../../extension/src/backend/failure';
import { promptItems } from '../../extension/src/commands/promptItems';
import { frontMatterLines } from '../../extension/src/prompts/blocks';
import { choosePrompt, isChat } from '../../extension/src/prompts/choose';
import { addition, promptsOf } from '../../extension/src/prompts/list';
import { PromptText } from '../../extension/src/prompts/pieces';

/** `|` is the cursor, `[` and `]` a selection. */
function choose(marked: string, languageId = 'lm-prompt') {
  const cursor = marked.indexOf('|');
  const open = marked.indexOf('[');
  if (open !== -1) {
    const close = marked.indexOf(']') - 1;
    const text = marked.replace('[', '').replace(']', '');
    return choosePrompt({ text, languageId, selectionStart: open, selectionEnd: close, cursor: close });
  }
  const at = Math.max(0, cursor);
  return choosePrompt({ text: marked.replace('|', ''), languageId, selectionStart: at, selectionEnd: at, cursor: at });
}

const failure = (work: () => unknown): Failure => {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    return error as Failure;
  }
  return expect.unreachable('it should have been refused');
};

describe('the prompt of a .prompt file', () => {
  it.each([
    ['the whole file, less its last newline', 'one|\ntwo\n', 'one\ntwo'],
    ['only one newline is the editor’s', 'Answer:\n\n', 'Answer:\n'],
    ['blanks at the end count', 'Answer: |', 'Answer: '],
    ['the block at the cursor', 'one\n---\ntw|o\n---\nthree\n', 'two'],
    ['the first block', 'on|e\n---\ntwo', 'one'],
    ['the last block', 'one\n---\ntwo|\n', 'two'],
    ['empty lines beside a separator part too', 'one\n\n---\n\n|two\n\n---\n\nthree', 'two'],
    ['empty lines inside stay', 'one\n---\na|\n\nb\n---\nthree', 'a\n\nb'],
    ['on a separator the block below', 'one\n--|-\ntwo\n', 'two'],
    ['on the last separator the block above', 'one\n--|-\n', 'one'],
    ['blanks behind a separator', 'one\n---  \ntwo|', 'two'],
    ['a rule of four dashes is text', 'one|\n----\ntwo', 'one\n----\ntwo'],
    ['a separator at the top', '---\ntwo|', 'two'],
    ['front matter is no prompt', '---\nmodel: x\n# note\n---\nHello|\n', 'Hello'],
    ['in the front matter the first prompt is meant', '---\nmo|del: x\n---\nHello\n---\nBye', 'Hello'],
    ['at its end as well', '---\nmodel: x\n--|-\n\nHello\n---\nBye', 'Hello'],
    ['prompts behind front matter', '---\nmodel: x\n---\nHello\n---\nBye|\n', 'Bye'],
    ['a leading block of text is a prompt', '---\nNot a key\n---\nHello|', 'Hello'],
  ])('%s', (_, marked, prompt) => {
    expect(choose(marked).text).toBe(prompt);
    expect(choose(marked.replaceAll('\n', '\r\n')).text).toBe(prompt);
  });

  it('takes a selection as it is', () => {
    expect(choose('one [two\n]three').text).toBe('two\n');
    expect(choose('one[ ]two').text).toBe(' ');
  });

  it('knows front matter from prompts', () => {
    expect(frontMatterLines(['---', 'a: 1', 'list:', '  - x', '- y', '', '---', 'text'])).toBe(7);
    expect(frontMatterLines(['---', 'a: 1'])).toBe(0);
    expect(frontMatterLines(['---', '', '---'])).toBe(0);
    expect(frontMatterLines(['---', 'http://x', '---'])).toBe(0);
    expect(frontMatterLines(['a: 1', '---'])).toBe(0);
  });
});

describe('the prompt of other files', () => {
  const markdown = 'Text\n\n```python\nx = 1\ny = 2\n```\n\nMore\n';
  it.each([
    ['inside a fence', markdown.replace('x =', 'x| ='), 'x = 1\ny = 2'],
    ['on the opening fence', markdown.replace('```python', '```py|thon'), 'x = 1\ny = 2'],
    ['on the closing fence', markdown.replace('2\n```', '2\n``|`'), 'x = 1\ny = 2'],
    ['outside of fences: the file', markdown.replace('More', 'Mo|re'), markdown.trimEnd()],
    ['longer fences hold shorter ones', '````\na\n```\nb|\n````\n', 'a\n```\nb'],
    ['tildes', '~~~\na|\n~~~', 'a'],
    ['an unclosed fence', '```\na|\nb\n', 'a\nb'],
    ['indented fences lose their indentation', '  ```\n  a|\n    b\n c\n  ```', 'a\n  b\nc'],
    ['inline code is no fence', '```a``` b|\nc', '```a``` b\nc'],
  ])('Markdown: %s', (_, marked, prompt) => {
    expect(choose(marked, 'markdown').text).toBe(prompt);
    expect(choose(marked.replaceAll('\n', '\r\n'), 'markdown').text).toBe(prompt);
  });

  it('an empty fence is an empty prompt', () => {
    expect(failure(() => choose('a\n```|\n```\n', 'markdown')).message).toMatch(/empty/);
  });

  it('takes the whole of any other file', () => {
    expect(choose('def f():\n|  pass\n---\nx\n', 'python').text).toBe('def f():\n  pass\n---\nx');
  });
});

describe('the prompt of a file with a prompt a line', () => {
  it.each([
    ['the line of the cursor', 'one\ntw|o\nthree\n', 'two'],
    ['its blanks count', 'one\n two |\n', ' two '],
    ['from an empty line the one below', 'one\n|\n\ntwo\n', 'two'],
    ['from the last empty line the one above', 'one\ntwo\n|', 'two'],
    ['a rule is a prompt', 'one\n--|-\ntwo', '---'],
  ])('is %s', (_, marked, prompt) => {
    expect(choose(marked, 'lm-prompts').text).toBe(prompt);
    expect(choose(marked.replaceAll('\n', '\r\n'), 'lm-prompts').text).toBe(prompt);
  });

  it('is none where no line has a text', () => {
    expect(failure(() => choose('\n|\n', 'lm-prompts')).message).toMatch(/empty/);
  });
});

describe('the list of a file’s prompts', () => {
  const list = (marked: string, languageId: string) => {
    const cursor = Math.max(0, marked.indexOf('|'));
    const text = marked.replace('|', '');
    const prompts = promptsOf({ text, languageId, selectionStart: cursor, selectionEnd: cursor, cursor });
    // the cursor put where a prompt starts means that prompt
    for (const { start, text: prompt } of prompts)
      expect(choosePrompt({ text, languageId, selectionStart: start, selectionEnd: start, cursor: start }).text).toBe(
        prompt,
      );
    return prompts.map((prompt) => `${prompt.active ? '>' : ''}${prompt.text}`);
  };

  it.each([
    ['lm-prompt', '---\nmodel: x\n---\none\n---\n\ntw|o\nmore\n\n---\n\n---\nthree\n', ['one', '>two\nmore', 'three']],
    ['lm-prompt', 'on|ly\n', ['>only']],
    ['lm-prompt', '|\n', []],
    ['lm-prompts', 'one\n\ntwo|\none\n', ['one', '>two', 'one']],
    ['markdown', 'T\n```\none\n```\n\n```py\n```\n  ~~~\n  t|wo\n  ~~~\n', ['one', '>two']],
    ['markdown', 'no fe|nce\n', ['>no fence']],
    ['plaintext', 'one\ntw|o\n', ['>one\ntwo']],
    ['plaintext', '', []],
  ])('%s %#', (languageId, marked, expected) => {
    expect(list(marked, languageId)).toEqual(expected);
    expect(list(marked.replaceAll('\n', '\r\n'), languageId)).toEqual(expected);
  });

  it('has none active between the fences', () => {
    expect(list('```\none\n```\n|\n```\ntwo\n```\n', 'markdown')).toEqual(['one', 'two']);
  });
});

describe('a prompt that is added', () => {
  it.each([
    ['lm-prompt', '', 'new\n'],
    ['lm-prompt', 'one\n', 'one\n---\nnew\n'],
    ['lm-prompt', 'one', 'one\n---\nnew\n'],
    ['lm-prompt', 'one\n---\n', 'one\n---\nnew\n'],
    ['lm-prompt', '---\nmodel: x\n---\n', '---\nmodel: x\n---\nnew\n'],
    ['lm-prompts', '', 'new\n'],
    ['lm-prompts', 'one\ntwo', 'one\ntwo\nnew\n'],
    ['lm-prompts', 'one\ntwo\n', 'one\ntwo\nnew\n'],
    ['markdown', '# T\n', '# T\n\n```\nnew\n```\n'],
    ['markdown', '```\none\n```\n\n', '```\none\n```\n\n```\nnew\n```\n'],
    ['markdown', '', '```\nnew\n```\n'],
  ])('to %s stands as the file does it %#', (languageId, source, expected) => {
    for (const eol of ['\n', '\r\n']) {
      const before = source.replaceAll('\n', eol);
      const added = addition(before, languageId, 'new', eol);
      if (!added) return expect.unreachable('it can be added');
      const text = before.slice(0, added.offset) + added.insert + before.slice(added.offset);
      expect(text).toBe(expected.replaceAll('\n', eol));
      const at = { selectionStart: added.start, selectionEnd: added.start, cursor: added.start };
      expect(choosePrompt({ text, languageId, ...at }).text).toBe('new');
      expect(promptsOf({ text, languageId, ...at }).at(-1)).toMatchObject({ text: 'new', active: true });
    }
  });

  it.each([
    ['lm-prompt', '---'],
    ['lm-prompt', '  '],
    ['lm-prompts', 'a\nb'],
    ['lm-prompts', ''],
    ['markdown', '```'],
    ['plaintext', 'new'],
  ])('to %s is not "%s"', (languageId, prompt) => {
    expect(addition('one\n', languageId, prompt, '\n')).toBeNull();
  });

  it('is offered behind the others, unless it is one of them', () => {
    const prompts = promptsOf({
      text: 'Hi $(x)\n---\na\nb',
      languageId: 'lm-prompt',
      selectionStart: 0,
      selectionEnd: 0,
      cursor: 0,
    });
    const items = promptItems(prompts, 'new', () => true);
    expect(items.map(({ text, start }) => [text, start])).toEqual([
      ['Hi $(x)', 0],
      ['a\nb', 12],
      ['new', null],
    ]);
    expect(items[0]?.label).not.toContain('$(x)');
    expect(items[1]).toMatchObject({ label: 'a', description: '2 lines' });
    expect(items[2]).toMatchObject({ label: '$(add)', description: 'Add “new” as a new prompt', alwaysShow: true });
    expect(promptItems(prompts, 'a\nb', () => true)).toHaveLength(2);
    expect(promptItems(prompts, 'new', () => false)).toHaveLength(2);
  });
});

describe('texts that are refused', () => {
  it.each([
    ['', /empty/],
    ['\n\n', /empty/],
    ['one\n---\n\n--|-\n\n---\ntwo', /empty/],
    ['a\nb\0c', /NUL character in line 2/],
    ['a \ud83d b', /U\+D83D.*line 1/],
    ['a\n\n\udc00', /U\+DC00.*line 3/],
    ['x'.repeat(2_000_001), /2,000,001 characters/],
  ])('%#', (text, message) => {
    const refused = failure(() => choose(text));
    expect(refused.message).toMatch(message);
    expect(refused.remedy).not.toBe('');
  });

  it('whole emoji are text', () => {
    expect(choose('👩‍🚀 |and 🇩🇪').text).toBe('👩‍🚀 and 🇩🇪');
  });
});

describe('offsets of a prompt in its document', () => {
  it('are the same without CRLF', () => {
    const prompt = choose('one\n---\n|two\nmore\n');
    expect([prompt.start, prompt.end]).toEqual([8, 16]);
    expect(prompt.toDocument(0)).toBe(8);
    expect(prompt.toDocument(8)).toBe(16);
    expect(prompt.fromDocument(8)).toBe(0);
    expect(prompt.fromDocument(16)).toBe(8);
    expect(prompt.fromDocument(7)).toBeNull();
    expect(prompt.fromDocument(17)).toBeNull();
  });

  it('step over the carriage returns', () => {
    const source = 'ab\r\ncd\r\n\r\nef\r\n';
    const prompt = PromptText.of(source, 0, 12);
    expect(prompt.text).toBe('ab\ncd\n\nef');
    for (const [offset, char] of [...prompt.text].entries()) {
      expect(source[prompt.toDocument(offset)]).toBe(char);
      expect(prompt.fromDocument(prompt.toDocument(offset))).toBe(offset);
    }
    expect(prompt.endToDocument(2)).toBe(2);
    expect(prompt.endToDocument(3)).toBe(4);
    expect(prompt.toDocument(9)).toBe(12);
    expect(prompt.fromDocument(2)).toBe(2);
  });

  it('count UTF-16 units', () => {
    const prompt = PromptText.of('x\r\n👍\r\ny', 0, 8);
    expect(prompt.text).toBe('x\n👍\ny');
    expect(prompt.toDocument(2)).toBe(3);
    expect(prompt.toDocument(5)).toBe(7);
  });

  it('step over indentation', () => {
    const source = '  a\r\n    b';
    const prompt = PromptText.of(source, 0, source.length, 2);
    expect(prompt.text).toBe('a\n  b');
    expect(prompt.toDocument(0)).toBe(2);
    expect(prompt.toDocument(2)).toBe(7);
    expect(prompt.endToDocument(2)).toBe(5);
    expect(prompt.fromDocument(6)).toBe(2);
  });

  it('of every text lead back', () => {
    const samples = ['a', '\r\n', 'a\r\n\r\nb', '\r\na\n\r\n', 'é👍\r\n\tz'];
    for (const source of samples) {
      const prompt = PromptText.of(source, 0, source.length);
      expect(prompt.text).toBe(source.replaceAll('\r\n', '\n'));
      for (let offset = 0; offset <= prompt.text.length; offset += 1) {
        expect(prompt.fromDocument(prompt.toDocument(offset))).toBe(offset);
      }
    }
  });
});

describe('a chat', () => {
  const asked = (marked: string, languageId: string) => {
    const [open, close] = [marked.indexOf('['), marked.indexOf(']') - 1];
    const text = marked.replace(/[[\]¦]/g, '');
    const at = Math.max(0, marked.indexOf('¦'));
    const [selectionStart, selectionEnd] = open === -1 ? [at, at] : [open, close];
    const editor = { text, languageId, selectionStart, selectionEnd, cursor: selectionEnd };
    const prompt = choosePrompt(editor);
    return { text: prompt.text, chat: isChat(editor, prompt) };
  };

  it.each([
    ['a chat file is one', '<|user|>\nhi\n', 'lm-chat', '<|user|>\nhi', true],
    ['chats of a file are parted', '<|user|>\na\n---\n<|us¦er|>\nb\n', 'lm-chat', '<|user|>\nb', true],
    ['a fence marked chat', 'x\n```chat\n<|user|>\nh¦i\n```\n', 'markdown', '<|user|>\nhi', true],
    ['whatever stands behind the mark', '``` Chat title=x\n<|user|>\nhi\n```\n', 'markdown', '<|user|>\nhi', true],
    ['no other fence', '```text\n<|user|>\nh¦i\n```\n', 'markdown', '<|user|>\nhi', false],
    ['no prompt file', '<|user|>\nhi\n', 'lm-prompt', '<|user|>\nhi', false],
    ['a selection that begins with a role', '[<|user|>\nhi]\n', 'lm-chat', '<|user|>\nhi', true],
    ['no selection within a message', '<|user|>\nsay [hi]\n', 'lm-chat', 'hi', false],
  ])('%s', (_, marked, languageId, text, chat) => {
    expect(asked(marked, languageId)).toEqual({ text, chat });
  });

  it('files of them list their chats', () => {
    const text = '<|user|>\na\n---\n<|user|>\nb\n';
    const listed = promptsOf({ text, languageId: 'lm-chat', selectionStart: 0, selectionEnd: 0, cursor: 0 });
    expect(listed.map((prompt) => prompt.text)).toEqual(['<|user|>\na', '<|user|>\nb']);
    expect(addition(text, 'lm-chat', 'more', '\n')).toBeNull();
  });
});
