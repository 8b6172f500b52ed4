/** What the view needs from the place it runs in: an editor's panel, a browser, an exported page, a notebook. */
import type { Answer, PanelAction, Question, ToWebview, ViewState } from '../../extension/shared/webview';

/** A question is answered; an action or a selected token is only taken note of. */
export type Request =
  Question | { kind: 'action'; action: PanelAction } | { kind: 'selected'; position: number | null };

export interface Host {
  /** Resolves with the answer (null for requests that have none), rejects with a sentence for the reader. */
  ask(request: Request): Promise<Answer | null>;
  /** Hears what the host has to say, from now on: analyses, progress, failures, the editor's cursor. */
  answer(listener: (message: ToWebview) => void): void;
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
