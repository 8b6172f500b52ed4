/** Files with prompts of several lines, parted by `---`. */
export const PROMPT_LANGUAGE = 'lm-prompt';
/** Files with a prompt a line. */
export const PROMPT_LINES_LANGUAGE = 'lm-prompts';
/** Files with chats, parted by `---`: a line `<|user|>`, `<|assistant|>` … stands before each message. */
export const CHAT_LANGUAGE = 'lm-chat';
/** Files with a prompt, as a JSON record, a line. */
export const PROMPT_RECORDS_LANGUAGE = 'lm-prompts-jsonl';

/** The languages that the backend knows as a language server. */
export const PROMPT_LANGUAGES = [
  PROMPT_LANGUAGE,
  PROMPT_LINES_LANGUAGE,
  CHAT_LANGUAGE,
  PROMPT_RECORDS_LANGUAGE,
] as const;

export function isPromptLanguage(languageId: string): boolean {
  return PROMPT_LANGUAGES.some((known) => known === languageId);
}
