import { promptBlock, type Stretch } from './blocks';
import { promptLine } from './lineByLine';
import { fencedBlock, fenceInfo } from './markdown';
import { PromptText } from './pieces';
import { refusal } from './refuse';

/** What the editor knows; offsets of the selection, equal when nothing is selected. */
export interface EditorText {
  text: string;
  languageId: string;
  selectionStart: number;
  selectionEnd: number;
  cursor: number;
}

/** Files with prompts of several lines, parted by `---`. */
export const PROMPT_LANGUAGE = 'lm-prompt';
/** Files with a prompt a line. */
export const PROMPT_LINES_LANGUAGE = 'lm-prompts';
/** Files with chats, parted by `---`: a line `<|user|>`, `<|assistant|>` … stands before each message. */
export const CHAT_LANGUAGE = 'lm-chat';

/**
 * Which text is the prompt: the selection as it is, else the prompt at the cursor, else the file without its last
 * newline. Throws a `Failure` for a text that cannot be one.
 */
export function choosePrompt(editor: EditorText): PromptText {
  const selected = editor.selectionStart !== editor.selectionEnd;
  const { start, end, indent } = selected
    ? { start: editor.selectionStart, end: editor.selectionEnd, indent: 0 }
    : promptAt(editor);
  const prompt = PromptText.of(editor.text, start, end, indent);
  const refused = refusal(prompt.text, selected);
  if (refused) throw refused;
  return prompt;
}

/** The prompt at the cursor, whatever is selected. */
export function promptAt(editor: EditorText): Stretch {
  if (editor.languageId === PROMPT_LANGUAGE || editor.languageId === CHAT_LANGUAGE)
    return promptBlock(editor.text, editor.cursor);
  if (editor.languageId === PROMPT_LINES_LANGUAGE) return promptLine(editor.text, editor.cursor);
  const fenced = editor.languageId === 'markdown' ? fencedBlock(editor.text, editor.cursor) : null;
  return fenced ?? { start: 0, end: withoutLastNewline(editor.text), indent: 0 };
}

function withoutLastNewline(text: string): number {
  if (text.endsWith('\r\n')) return text.length - 2;
  return text.endsWith('\n') ? text.length - 1 : text.length;
}

const ROLE_LINE = /^\s*<\|[A-Za-z_]+\|>[ \t]*(\r?\n|$)/;

/**
 * Whether the chosen prompt is a chat, for the model's chat template to write: in a chat file, and in a fenced block of
 * Markdown that is marked ```` ```chat ````. A selection in there is one if it begins with a role.
 */
export function isChat(editor: EditorText, prompt: PromptText): boolean {
  const inChat =
    editor.languageId === CHAT_LANGUAGE ||
    (editor.languageId === 'markdown' && fenceInfo(editor.text, prompt.start) === 'chat');
  const selected = editor.selectionStart !== editor.selectionEnd;
  return inChat && (!selected || ROLE_LINE.test(prompt.text));
}
