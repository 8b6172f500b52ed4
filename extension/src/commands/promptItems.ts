import type { ListedPrompt } from '../prompts/ask';
import { plainLabel } from '../words';

/** A line of the list of prompts. */
export interface PromptItem {
  label: string;
  description?: string;
  /** The prompt's place; null for a new prompt. */
  start: number | null;
  /** The text to add, or the prompt's beginning. */
  text: string;
  alwaysShow?: boolean;
}

const LONGEST_LABEL = 200;

/** The prompts of a file. `linesOf`: how many lines one has. */
export function promptItems(prompts: readonly ListedPrompt[], linesOf: (prompt: ListedPrompt) => number): PromptItem[] {
  return prompts.map((prompt) => {
    const { start, preview } = prompt;
    const lines = linesOf(prompt);
    return { label: shortened(preview), ...(lines > 1 && { description: `${lines} lines` }), start, text: preview };
  });
}

/** The prompts of a file, and the typed text as a new one. */
export function withTyped(
  items: readonly PromptItem[],
  typed: string,
  canAdd: (prompt: string) => boolean,
): readonly PromptItem[] {
  if (items.some(({ text }) => text === typed) || !canAdd(typed)) return items;
  // in the description: matching labels are sorted by name, and Enter must take a prompt that is there before this one
  const description = `Add “${shortened(typed)}” as a new prompt`;
  return [...items, { label: '$(add)', description, start: null, text: typed, alwaysShow: true }];
}

function shortened(text: string): string {
  const plain = plainLabel(text);
  return plain.length > LONGEST_LABEL ? `${plain.slice(0, LONGEST_LABEL)}…` : plain;
}
