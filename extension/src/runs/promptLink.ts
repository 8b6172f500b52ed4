import * as vscode from 'vscode';
import { Failure } from '../failure';
import { CHAT_LANGUAGE, PROMPT_LANGUAGE } from '../languages';
import { isCount, isRecord, isText } from '../panel/foreign';
import { NOTHING_SET } from '../prompts/ask';
import { placeAt } from '../prompts/place';
import { sourceOf, type RunWorld } from './open';
import type { RunContent } from './runFile';

/** A prompt that travels inside of a link: it holds on a machine that has never seen it. */
export interface LinkedPrompt {
  prompt: string;
  /** The model's name; which one that is, the machine that opens the link says. */
  model: string;
  chat: boolean;
  target: number;
}

/** Longer links are cut by browsers, chats and Windows. */
const LONGEST_LINK = 6000;
const LONGEST_MODEL = 200;
const ENCODED = /^p=([A-Za-z0-9_-]+)$/;

/** `vscode://…/prompt?p=…`. Throws a `Failure` for a prompt that is too long. */
export function linkToPrompt({ prompt, asked, model, target }: RunContent, extension: string, scheme: string): string {
  const linked: LinkedPrompt = { prompt, model: asked.model || model, chat: asked.chat, target };
  const link = `${scheme}://${extension}/prompt?p=${Buffer.from(JSON.stringify(linked)).toString('base64url')}`;
  if (link.length <= LONGEST_LINK) return link;
  throw new Failure(
    'invalidPrompt',
    'This prompt is too long for a link.',
    'Save the run beside the prompt, and share that file.',
  );
}

/** The prompt in a link; null for any other link. */
export function readPromptLink({ path, query }: { path: string; query: string }): LinkedPrompt | null {
  const encoded = path === '/prompt' && query.length <= LONGEST_LINK ? ENCODED.exec(query)?.[1] : undefined;
  if (encoded === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { prompt, model, chat, target } = value;
  if (!isText(prompt, LONGEST_LINK) || prompt === '' || !isText(model, LONGEST_MODEL) || !isCount(target)) return null;
  return { prompt, model, chat: chat === true, target };
}

/**
 * Opens the prompt in an editor of its own and analyzes it, once the person has agreed. The link names a model, as front
 * matter does: it chooses among those that this machine may load, and runs no code of theirs.
 */
export async function openPromptLink(
  { analyses, settingsFor }: Pick<RunWorld, 'analyses' | 'settingsFor'>,
  { prompt, model, chat }: LinkedPrompt,
  ask: (question: string, detail: string, yes: string) => Promise<boolean>,
): Promise<void> {
  const named = model === '' ? 'the model that is set' : model;
  const detail = `${named}:\n\n${prompt.slice(0, 500)}${prompt.length > 500 ? ' …' : ''}`;
  if (!(await ask('A link asks to analyze a prompt. Analyze it?', detail, 'Analyze'))) return;
  const language = chat ? CHAT_LANGUAGE : PROMPT_LANGUAGE;
  const document = await vscode.workspace.openTextDocument({ language, content: prompt });
  await vscode.window.showTextDocument(document);
  const settings = settingsFor(document.uri);
  const { allowDownload, device, dtype, specialTokens, topK } = settings;
  const source = model === '' ? settings.model : sourceOf(model, settings.model);
  await analyses.runAgain(document.uri, 'linked prompt', {
    prompt,
    asked: { source, allowDownload, dtype, device, specialTokens, topK, chat },
    place: placeAt(document.getText(), 0, prompt),
    settings: NOTHING_SET,
    isComparison: false,
  });
}
