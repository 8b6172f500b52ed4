import * as vscode from 'vscode';
import { PROMPT_LANGUAGE } from '../languages';

const EXAMPLE = 'When Mary and John went to the store, John gave a drink to';

/** New Prompt: an editor with an example to be written over. */
export async function newPrompt(): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language: PROMPT_LANGUAGE, content: EXAMPLE });
  await vscode.window.showTextDocument(document);
}
