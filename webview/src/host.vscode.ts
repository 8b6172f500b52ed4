/** The host in a VS Code panel: messages to and from the extension. */
import type { FromWebview, ToWebview } from '../../extension/shared/webview';
import { watchTheme } from './host';
import type { Host } from './host';

interface CodeApi {
  postMessage(message: FromWebview): void;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): CodeApi;

interface Waiting {
  resolve: (answer: Extract<ToWebview, { type: 'answer' }>['answer']) => void;
  reject: (error: Error) => void;
}

export const inEditor = (): boolean => typeof acquireVsCodeApi === 'function';

export function editorHost(): Host {
  const api = acquireVsCodeApi();
  const waiting = new Map<number, Waiting>();
  let lastId = 0;

  return {
    ask(request) {
      if (request.kind === 'action') {
        api.postMessage({ type: 'action', action: request.action });
        return Promise.resolve(null);
      }
      if (request.kind === 'selected') {
        api.postMessage({ type: 'selected', position: request.position });
        return Promise.resolve(null);
      }
      const id = ++lastId;
      api.postMessage({ type: 'ask', id, question: request });
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },

    answer(listener) {
      window.addEventListener('message', (event: MessageEvent<ToWebview>) => {
        const message = event.data;
        if (message.type !== 'answer') return listener(message);
        const pending = waiting.get(message.id);
        waiting.delete(message.id);
        if (message.error !== null) pending?.reject(new Error(message.error));
        else pending?.resolve(message.answer);
      });
      api.postMessage({ type: 'ready' });
    },

    remember(view) {
      api.setState(view);
      api.postMessage({ type: 'remember', view });
    },

    theme: watchTheme,
  };
}
