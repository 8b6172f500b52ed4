/** Files with multi-line prompts, separated by `---`. */
export const PROMPT_LANGUAGE = 'lm-prompt';
/** Files with one prompt per line. */
export const PROMPT_LINES_LANGUAGE = 'lm-prompts';
/** Files with chats, separated by `---`: a line `<|user|>`, `<|assistant|>` … precedes each message. */
export const CHAT_LANGUAGE = 'lm-chat';
/** Files with one prompt per line, as a JSON record. */
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
