import type { ListedPrompt } from '../prompts/list';
import { plainLabel } from './pick';

/** A line of the list of prompts. */
export interface PromptItem {
  label: string;
  description?: string;
  /** Where the prompt stands; null for one that is to be added. */
  start: number | null;
  text: string;
  alwaysShow?: boolean;
}

const LONGEST_LABEL = 200;

/** The prompts of a file, and what was typed as one more. */
export function promptItems(
  prompts: readonly ListedPrompt[],
  typed: string,
  canAdd: (prompt: string) => boolean,
): PromptItem[] {
  const items = prompts.map(({ start, text }): PromptItem => {
    const lines = text.trim().split('\n');
    const more = lines.length > 1 ? { description: `${lines.length} lines` } : {};
    return { label: shortened(lines[0] ?? ''), ...more, start, text };
  });
  if (prompts.some(({ text }) => text === typed) || !canAdd(typed)) return items;
  // in the description: matching labels are sorted by name, and Enter must take a prompt that is there before this one
  const description = `Add “${shortened(typed)}” as a new prompt`;
  return [...items, { label: '$(add)', description, start: null, text: typed, alwaysShow: true }];
}

function shortened(text: string): string {
  const plain = plainLabel(text);
  return plain.length > LONGEST_LABEL ? `${plain.slice(0, LONGEST_LABEL)}…` : plain;
}
