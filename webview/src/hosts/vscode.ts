/** The host in a VS Code panel: messages to and from the extension. */
import type { Answer, FromWebview, Method, Question, ToWebview } from '../../../extension/shared/webview';
import { watchTheme } from './host';
import type { AskOptions, Host, Progress } from './host';

interface CodeApi {
  postMessage(message: FromWebview): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): CodeApi;

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
  onProgress: ((progress: Progress) => void) | undefined;
}

export const inEditor = (): boolean => typeof acquireVsCodeApi === 'function';

export function editorHost(): Host {
  const api = acquireVsCodeApi();
  const waiting = new Map<number, Waiting>();
  let lastId = 0;

  function receive(message: ToWebview): boolean {
    if (message.type !== 'answer' && message.type !== 'asking') return false;
    const asked = waiting.get(message.id);
    if (message.type === 'asking') {
      asked?.onProgress?.({ message: message.message, fraction: message.fraction });
      return true;
    }
    waiting.delete(message.id);
    if (message.answer !== null) asked?.resolve(message.answer);
    else asked?.reject(new Error(message.error ?? 'The backend did not answer.'));
    return true;
  }

  return {
    recording: false,
    inEditor: true,
    restores: (api.getState() ?? null) !== null,

    ask<M extends Method>(question: Question<M>, { signal, onProgress }: AskOptions = {}): Promise<Answer<M>> {
      const id = ++lastId;
      api.postMessage({ type: 'ask', id, question });
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (answer: Answer) => void, reject, onProgress });
        signal?.addEventListener('abort', () => {
          if (!waiting.delete(id)) return;
          api.postMessage({ type: 'giveUp', id });
          reject(new Error('The request was cancelled.'));
        });
      });
    },

    answer(listener) {
      window.addEventListener('message', (event: MessageEvent<ToWebview>) => {
        if (!receive(event.data)) listener(event.data);
      });
      api.postMessage({ type: 'ready' });
    },

    tell: (notice) => api.postMessage(notice),

    remember(view) {
      api.setState(view);
      api.postMessage({ type: 'remember', view });
    },

    theme: watchTheme,
  };
}
