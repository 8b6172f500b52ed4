import type { ListedPrompt } from './ask';
import { PROMPT_LANGUAGE, PROMPT_LINES_LANGUAGE, PROMPT_RECORDS_LANGUAGE } from '../languages';

/** An insertion at a document's end that adds a prompt; `start`: the prompt's offset afterwards. */
export interface Addition {
  insert: string;
  start: number;
}

const SEPARATOR = '---';

/**
 * How one more prompt is written at the end of a file, in the way of its language; null where a file is one prompt,
 * and for a text that the file would read as something else. `prompts`: those that are there; `eol`: the document's
 * line end.
 */
export function addition(
  text: string,
  languageId: string,
  prompts: readonly ListedPrompt[],
  prompt: string,
  eol: string,
): Addition | null {
  if (prompt.trim() === '' || /[\r\n\0]/.test(prompt)) return null;
  const written = writtenIn(languageId, text, prompts, prompt, eol);
  if (!written) return null;
  const isLineOpen = text !== '' && !text.endsWith('\n');
  const before = `${isLineOpen ? eol : ''}${written.before}`;
  return { insert: `${before}${written.line}${eol}${written.after}`, start: text.length + before.length };
}

function writtenIn(
  languageId: string,
  text: string,
  prompts: readonly ListedPrompt[],
  prompt: string,
  eol: string,
): { before: string; line: string; after: string } | null {
  switch (languageId) {
    case PROMPT_LINES_LANGUAGE:
      return { before: '', line: prompt, after: '' };
    case PROMPT_RECORDS_LANGUAGE:
      return { before: '', line: JSON.stringify({ prompt }), after: '' };
    case PROMPT_LANGUAGE: {
      if (prompt.trimEnd() === SEPARATOR) return null;
      const last = prompts.at(-1);
      const isParted = !last || text.slice(last.end).includes(SEPARATOR);
      return { before: isParted ? '' : `${SEPARATOR}${eol}`, line: prompt, after: '' };
    }
    case 'markdown': {
      if (/^ {0,3}(`{3,}|~{3,})/.test(prompt)) return null;
      const isParted = text === '' || /(^|\n)\r?\n$/.test(text);
      return { before: `${isParted ? '' : eol}\`\`\`${eol}`, line: prompt, after: `\`\`\`${eol}` };
    }
    default:
      return null;
  }
}
