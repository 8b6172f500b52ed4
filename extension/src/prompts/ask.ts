import type * as vscode from 'vscode';
import {
  LIST_PROMPTS,
  type ListPromptsParams,
  type ListPromptsResult,
  PROMPT_AT,
  type PromptAtParams,
  type PromptAtResult,
  type PromptSettings,
  SURPRISAL,
  type SurprisalParams,
  type SurprisalResult,
} from '../../shared/protocol';
import type { Backend } from '../backend/backend';
import type { Progress } from '../link/connection';
import { Failure } from '../failure';
import type { Cancel } from '../cancel';
import { isPromptLanguage } from '../languages';
import { type Place, placeOf } from './place';

/** A document's prompt and its place. Only the server reads prompt files. */
export interface Prompt extends Pick<PromptAtResult, 'text' | 'chat' | 'settings'> {
  place: Place;
}

/** One prompt of a file that may hold several; `preview`: its first line, shortened. */
export interface ListedPrompt {
  start: number;
  end: number;
  preview: string;
  /** Whether it is the one at the cursor. */
  active: boolean;
}

/** A prompt file without settings for its analyses. */
export const NOTHING_SET: PromptSettings = {
  model: null,
  specialTokens: null,
  target: null,
  contrast: null,
  threshold: null,
  renormalize: null,
};

/** The prompt that is selected, or else at the cursor; at the beginning without a selection. Rejects with a `Failure`. */
export async function promptAt(
  backend: Pick<Backend, 'request'>,
  document: vscode.TextDocument,
  selection: vscode.Selection | null,
  cancel?: Cancel,
  onProgress?: (progress: Progress) => void,
): Promise<Prompt> {
  const isEmpty = !selection || document.offsetAt(selection.start) === document.offsetAt(selection.end);
  const start = selection ? document.offsetAt(isEmpty ? selection.active : selection.start) : 0;
  const end = isEmpty ? start : document.offsetAt(selection.end);
  // the server must see the current text
  const source = document.getText();
  // no backend need be set up to see this
  if (isEmpty && source === '')
    throw new Failure('invalidPrompt', 'There is no prompt here: the text is empty.', 'Write a prompt, or select one.');
  const params: PromptAtParams = { ...about(document, source), start, end };
  const found = (await backend.request(PROMPT_AT, params, options(cancel, onProgress))) as PromptAtResult;
  const { text, chat, settings } = found;
  return { text, chat, settings, place: placeOf(found, source) };
}

/** The prompts of a document in their order. Rejects with a `Failure`. */
export async function listPrompts(
  backend: Pick<Backend, 'request'>,
  document: vscode.TextDocument,
  cursor: number | null,
  cancel?: Cancel,
): Promise<ListedPrompt[]> {
  const params: ListPromptsParams = { ...about(document, document.getText()), cursor };
  const found = (await backend.request(LIST_PROMPTS, params, options(cancel))) as ListPromptsResult;
  return found.start.map((start, index) => ({
    start,
    end: found.end[index] ?? start,
    preview: found.preview[index] ?? '',
    active: index === found.active,
  }));
}

/** How surprising each token of the prompt at an offset is. Rejects with a `Failure`, also where no model is loaded. */
export async function surprisalAt(
  backend: Pick<Backend, 'request'>,
  document: vscode.TextDocument,
  start: number,
  cancel: Cancel,
): Promise<SurprisalResult> {
  const params: SurprisalParams = { ...about(document, document.getText()), start };
  return (await backend.request(SURPRISAL, params, { cancel })) as SurprisalResult;
}

function options(cancel?: Cancel, onProgress?: (progress: Progress) => void) {
  return { early: true, ...(cancel && { cancel }), ...(onProgress && { onProgress }) };
}

function about(document: vscode.TextDocument, source: string) {
  // the language client keeps the server's copy of these
  const text = isPromptLanguage(document.languageId) ? '' : source;
  return { uri: document.uri.toString(), languageId: document.languageId, text };
}
