import { Failure } from '../backend/failure';

const LONGEST = 2_000_000;

/** Why this text cannot be analyzed, as a failure to show; null when it can. `chosen`: the user selected just this. */
export function refusal(text: string, chosen: boolean): Failure | null {
  if (text === '' || (!chosen && text.trim() === '')) {
    return invalid('There is no prompt here: the text is empty.', 'Write a prompt, or put the cursor into one.');
  }
  const nul = text.indexOf('\0');
  if (nul !== -1) {
    return invalid(
      `The text has a NUL character in line ${lineOf(text, nul)}; it seems to be binary data.`,
      'Remove the character, or select the part that is text.',
    );
  }
  const lone = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.exec(text);
  if (lone) {
    const code = lone[0].charCodeAt(0).toString(16).toUpperCase();
    return invalid(
      `The text has half of a character (the lone surrogate U+${code}) in line ${lineOf(text, lone.index)}.`,
      'A selection may have cut an emoji in two; select the whole of it, or delete the half.',
    );
  }
  if (text.length > LONGEST) {
    return new Failure(
      'promptTooLong',
      `The text has ${text.length.toLocaleString('en')} characters; no model's context is that long.`,
      'Select a part of it.',
    );
  }
  return null;
}

function invalid(message: string, remedy: string): Failure {
  return new Failure('invalidPrompt', message, remedy);
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
