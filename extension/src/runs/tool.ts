import * as vscode from 'vscode';
import { ANALYZE, type DescribeParams } from '../../shared/protocol';
import { type Backend } from '../backend/backend';
import { Failure, isCancelled, toFailure } from '../failure';
import type { Cancel } from '../cancel';
import { isRecord } from '../panel/foreign';
import type { Settings } from '../settings';
import { DESCRIBE, describedBy } from './keep';
import { toolApi, type ToolCall } from './languageModel';

export const TOOL_NAME = 'lm_transparency_analyze';

const LONGEST_PROMPT = 100_000;
const LONGEST_TOKEN = 200;
const SHOWN_PROMPT = 300;

/** What an assistant asks for. `target`: a token's position; without it, where the model's answer comes from. */
export interface ToolInput {
  prompt: string;
  model: string;
  threshold: number | null;
  target: number | null;
  /** Whether effects are measured, and against which token. */
  effects: boolean;
  contrast: string | null;
}

export interface ToolWorld {
  backend: Pick<Backend, 'request'>;
  settings(): Settings;
}

/** Offers the routes of a prompt to editor assistants; null in a VS Code that has no tools. */
export function registerTool(world: ToolWorld, api = toolApi(vscode)): { dispose(): void } | null {
  if (!api) return null;
  return api.register(TOOL_NAME, {
    prepareInvocation: ({ input }: ToolCall) => question(readInput(input), world.settings()),
    invoke: async ({ input }, token) => api.result(await analyzed(world, readInput(input), token)),
  });
}

/** Checks an assistant's input. Throws an error that says what is wrong. */
export function readInput(input: unknown): ToolInput {
  const given = isRecord(input) ? input : {};
  const { prompt, model = '', threshold = null, target = null, effects = false, contrast = null } = given;
  if (typeof prompt !== 'string' || prompt === '') throw new Error('"prompt" must be a non-empty string.');
  if (prompt.length > LONGEST_PROMPT) throw new Error(`"prompt" has more than ${LONGEST_PROMPT} characters.`);
  if (typeof model !== 'string') throw new Error('"model" must be a name.');
  if (threshold !== null && !(typeof threshold === 'number' && threshold >= 0.005 && threshold < 1))
    throw new Error('"threshold" must be a number from 0.005 to below 1; omit it for an automatic choice.');
  if (target !== null && !(Number.isSafeInteger(target) && (target as number) >= 0))
    throw new Error('"target" must be the position of a token, counted from 0; omit it for the last token.');
  if (typeof effects !== 'boolean') throw new Error('"effects" must be true or false.');
  if (contrast !== null && !(typeof contrast === 'string' && contrast.length <= LONGEST_TOKEN))
    throw new Error('"contrast" must be the text of one token; omit it to explain the predicted token alone.');
  return { prompt, model: model.trim(), threshold, target: target as number | null, effects, contrast };
}

/** The question to the user before a model runs. */
function question({ prompt, model }: ToolInput, settings: Settings): object {
  const name = model || settings.model || 'the embedded model';
  const message = new vscode.MarkdownString();
  message.appendText(`Runs ${name} on this prompt, on the machine of the backend:`);
  const more = prompt.length > SHOWN_PROMPT ? '…' : '';
  message.appendMarkdown('\n\n').appendText(`${prompt.slice(0, SHOWN_PROMPT)}${more}`);
  return {
    invocationMessage: 'Analyzing the routes of a prompt',
    confirmationMessages: { title: 'Analyze a prompt with LM Transparency?', message },
  };
}

/** Tokens, predictions and strongest routes as text. Rejects with an error that names a remedy. */
async function analyzed({ backend, settings }: ToolWorld, input: ToolInput, cancel: Cancel): Promise<string> {
  const { model, device, dtype, specialTokens, topK } = settings();
  // an assistant downloads nothing, whatever the settings say
  const asked = { source: input.model || model, allowDownload: false, dtype, device, specialTokens, topK };
  try {
    const options = { cancel, onProgress: () => undefined };
    const { runId } = (await backend.request(ANALYZE, { prompt: input.prompt, ...asked }, options)) as {
      runId: string;
    };
    const params: DescribeParams = { runId, form: 'text', topK };
    if (input.target !== null) params.target = input.target;
    if (input.threshold !== null) params.threshold = input.threshold;
    if (input.effects) params.measure = true;
    if (input.contrast !== null) params.contrast = input.contrast;
    return describedBy(await backend.request(DESCRIBE, params, { cancel }));
  } catch (error) {
    if (isCancelled(error)) throw new vscode.CancellationError();
    const { message, remedy }: Failure = toFailure(error);
    throw new Error([message, remedy].filter(Boolean).join(' '), { cause: error });
  }
}
