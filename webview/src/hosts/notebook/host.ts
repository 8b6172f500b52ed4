/** The host in a notebook's output: the kernel answers, through the page around; without one it is a recording. */
import type { Answer, Method, Question, ViewState } from '../../../../extension/shared/webview';
import { watchTheme } from '../host';
import type { AskOptions, Host, Progress } from '../host';
import { browserHost } from '../browser';
import { MARK } from './messages';
import type { FromFrame, FromKernel } from './messages';

interface Waiting {
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
  onProgress: ((progress: Progress) => void) | undefined;
}

export interface Notebook {
  host(live: boolean): Host;
  /** The kernel's word on a question. */
  hear(message: FromKernel): void;
  /** There will be no more answers. */
  giveUp(): void;
}

/** `savePage` gets what can be asked while there is a kernel. */
export function createNotebook(
  channel: string,
  remember: (view: ViewState) => void,
  savePage: (ask: Host['ask'] | null) => void,
): Notebook {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  const say = (message: FromFrame): void => window.parent.postMessage({ ...message, [MARK]: channel }, '*');

  function ask<M extends Method>(question: Question<M>, { signal, onProgress }: AskOptions = {}): Promise<Answer<M>> {
    const id = ++lastId;
    say({ kind: 'ask', id, question });
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (answer: Answer) => void, reject, onProgress });
      signal?.addEventListener('abort', () => {
        if (!waiting.delete(id)) return;
        say({ kind: 'giveUp', id });
        reject(new Error('The request was cancelled.'));
      });
    });
  }

  return {
    host(live) {
      const page = browserHost();
      return {
        ...page,
        recording: !live,
        inEditor: false,
        onlyWhenAsked: true,
        ask: live ? ask : page.ask,
        tell: (notice) => (notice.type === 'savePage' ? savePage(live ? ask : null) : page.tell(notice)),
        remember(view) {
          remember(view);
          say({ kind: 'remember', view });
        },
        theme: watchTheme,
      };
    },

    hear(message) {
      const asked = waiting.get(message.id);
      if (message.kind === 'asking')
        return asked?.onProgress?.({ message: message.message, fraction: message.fraction });
      waiting.delete(message.id);
      if (message.answer !== null) asked?.resolve(message.answer);
      else asked?.reject(new Error(message.error ?? 'The kernel did not answer.'));
    },

    giveUp() {
      for (const { reject } of waiting.values()) reject(new Error('The kernel was restarted. Run the cell again.'));
      waiting.clear();
    },
  };
}
