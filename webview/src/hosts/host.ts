/** The view's interface to its host: an editor's panel, a browser, an exported page or a notebook. */
import type { Answer, Method, Notice, Question, ToWebview, ViewState } from '../../../extension/shared/webview';

/** How far a question has come. */
export interface Progress {
  message: string;
  fraction: number | null;
}

export interface AskOptions {
  /** Aborted when the answer is no longer needed. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}

export interface Host {
  /** The page is a recording, without a model to ask. */
  readonly recording: boolean;
  /** An editor is around it: text to be marked, commands to run. */
  readonly inEditor: boolean;
  /** A page of before comes back: its analysis is on the way. */
  readonly restores?: boolean;
  /** Answers hold up the person's own work, as in a notebook's kernel: nothing is asked that nobody asked for. */
  readonly onlyWhenAsked?: boolean;
  /** Resolves with the answer, rejects with a sentence for the reader. */
  ask<M extends Method>(question: Question<M>, options?: AskOptions): Promise<Answer<M>>;
  /** Subscribes to the host's messages: analyses, progress, failures, the editor's cursor. */
  answer(listener: (message: ToWebview) => void): void;
  /** Is taken note of, and has no answer. */
  tell(notice: Notice): void;
  /** Keeps the view for the next time it is opened. */
  remember(view: ViewState): void;
  /** Calls back now and whenever the colours or the fonts change; returns how to stop that. */
  theme(listener: () => void): () => void;
}

/** Theme changes show as new classes on the body or new variables on the root. */
export function watchTheme(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  const options = { attributes: true, attributeFilter: ['class', 'style', 'data-vscode-theme-id'] };
  observer.observe(document.documentElement, options);
  observer.observe(document.body, options);
  listener();
  return () => observer.disconnect();
}
