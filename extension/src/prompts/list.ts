import { endsEmpty, isSeparator, promptBlocks, SEPARATOR, type Stretch } from './blocks';
import { CHAT_LANGUAGE, type EditorText, PROMPT_LANGUAGE, PROMPT_LINES_LANGUAGE, promptAt } from './choose';
import { promptLines } from './lineByLine';
import { fencedBlocks } from './markdown';
import { PromptText } from './pieces';

/** One prompt of a file that may hold several. */
export interface ListedPrompt {
  /** Offset of the document where it starts, behind what is left out. */
  start: number;
  text: string;
  /** Whether it is the one that Analyze Prompt would take now. */
  active: boolean;
}

/** An insertion that adds a prompt to a document; `start`: where the prompt stands afterwards. */
export interface Addition {
  offset: number;
  insert: string;
  start: number;
}

/** The prompts of a file in their order. */
export function promptsOf(editor: EditorText): ListedPrompt[] {
  const active = promptAt(editor);
  return stretchesOf(editor).map(({ start, end, indent }) => {
    const prompt = PromptText.of(editor.text, start, end, indent);
    return { start: prompt.toDocument(0), text: prompt.text, active: start === active.start };
  });
}

function stretchesOf(editor: EditorText): Stretch[] {
  const { text, languageId } = editor;
  if (languageId === PROMPT_LANGUAGE || languageId === CHAT_LANGUAGE) return promptBlocks(text);
  if (languageId === PROMPT_LINES_LANGUAGE) return promptLines(text);
  const fenced = languageId === 'markdown' ? fencedBlocks(text) : [];
  if (fenced.length > 0) return fenced;
  return text.trim() === '' ? [] : [promptAt({ ...editor, cursor: 0 })];
}

/**
 * How one more prompt is written at the end of a file, in the way of its language; null where a file is one prompt,
 * and for a text that the file would read as something else. `eol`: the document's line end.
 */
export function addition(text: string, languageId: string, prompt: string, eol: string): Addition | null {
  if (prompt.trim() === '' || /[\r\n\0]/.test(prompt)) return null;
  const parting = partingOf(text, languageId, prompt, eol);
  if (parting === null) return null;
  const isLineOpen = text !== '' && !text.endsWith('\n');
  const before = `${isLineOpen ? eol : ''}${parting.before}`;
  const start = text.length + before.length;
  return { offset: text.length, insert: `${before}${prompt}${eol}${parting.after}`, start };
}

function partingOf(
  text: string,
  languageId: string,
  prompt: string,
  eol: string,
): { before: string; after: string } | null {
  switch (languageId) {
    case PROMPT_LINES_LANGUAGE:
      return { before: '', after: '' };
    case PROMPT_LANGUAGE:
      if (isSeparator(prompt)) return null;
      return { before: endsEmpty(text) ? '' : `${SEPARATOR}${eol}`, after: '' };
    case 'markdown': {
      if (/^ {0,3}(`{3,}|~{3,})/.test(prompt)) return null;
      const isParted = text === '' || /(^|\n)\r?\n$/.test(text);
      return { before: `${isParted ? '' : eol}\`\`\`${eol}`, after: `\`\`\`${eol}` };
    }
    default:
      return null;
  }
}
