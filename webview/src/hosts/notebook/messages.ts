/** Messages between a graph in a notebook's output (a separate frame), the notebook's page and the kernel. */
import type { Answer, Question, ViewState } from '../../../../extension/shared/webview';

/** On every message of ours, with the channel of the kernel that has the model. */
export const MARK = 'lmTransparency';

/** CSS variables by name, without `--vscode-`, and whether the ground is light. */
export interface Theme {
  light: boolean;
  variables: Record<string, string>;
}

/** From the frame to the notebook's page. */
export type FromFrame =
  | { kind: 'hello'; runId: string }
  | { kind: 'remember'; view: ViewState }
  | { kind: 'ask'; id: number; question: Question }
  | { kind: 'giveUp'; id: number };

/** The kernel's messages through the widget. */
export type FromKernel =
  | { kind: 'answer'; id: number; answer: Answer | null; error: string | null }
  | { kind: 'asking'; id: number; message: string; fraction: number | null };

/** To the frame. */
export type ToFrame =
  | { kind: 'page'; theme: Theme; view: ViewState | null }
  /** The kernel can be asked. */
  | { kind: 'here' }
  /** It can no longer answer. */
  | { kind: 'gone' }
  | FromKernel;

export type Marked<T> = T & { [MARK]: string };

/** The message, if it is one of ours. */
export function marked<T>(data: unknown): Marked<T> | null {
  return typeof data === 'object' && data !== null && typeof (data as Marked<T>)[MARK] === 'string'
    ? (data as Marked<T>)
    : null;
}
