/** The host in a plain page: a recorded analysis, and answers where the page brought some. */
import type { EffectsResult } from '../../../extension/shared/protocol';
import type { Answer, Method, Question, ToWebview, ViewState } from '../../../extension/shared/webview';
import { watchTheme } from './host';
import type { Host } from './host';
import { recordedAnswers } from './recorded';

/** What a page may define before the bundle runs; it may also post an extension's messages. */
export interface Page {
  title?: string;
  runId?: string;
  /** The analysis: its bytes, or base64 of them. */
  payload?: ArrayBuffer | string;
  /** How it was looked at when the page was made. */
  view?: Partial<ViewState> | null;
  /** What was known of its effects. */
  effects?: EffectsResult | null;
  /** Answers that it brought along: `RecordResult.answers`. */
  answers?: string;
  /** Answers anything, in place of a backend. */
  answer?: (question: Question) => Promise<Answer>;
}

declare global {
  interface Window {
    lmTransparencyPage?: Page;
  }
}

const KEY = 'lm-transparency.view';

export function browserHost(): Host {
  const page = window.lmTransparencyPage ?? {};
  const recorded = page.answers === undefined ? null : recordedAnswers(bytesOf(page.answers));
  return {
    recording: page.answer === undefined,
    inEditor: page.answer !== undefined,

    ask<M extends Method>(question: Question<M>): Promise<Answer<M>> {
      const answer = page.answer ?? recorded;
      if (answer) return answer(question) as Promise<Answer<M>>;
      return Promise.reject(new Error('This page is a recording, so it cannot ask the model anything new.'));
    },

    tell(notice) {
      if (notice.type === 'save') download(notice.name, notice.content, notice.encoding);
      else if (notice.type === 'effects') page.effects = notice.effects;
      else if (notice.type === 'copy') void navigator.clipboard.writeText(notice.text);
    },

    answer(listener) {
      window.addEventListener('message', (event: MessageEvent<ToWebview | undefined>) => {
        if (event.source === window && event.data && 'type' in event.data) listener(event.data);
      });
      if (page.payload === undefined) return;
      const payload = typeof page.payload === 'string' ? bytesOf(page.payload) : page.payload;
      listener({
        type: 'analysis',
        runId: page.runId ?? '',
        title: page.title ?? '',
        payload,
        view: recall(page),
        edited: false,
        effects: page.effects ?? null,
      });
    },

    remember(view) {
      try {
        sessionStorage.setItem(KEY, JSON.stringify(view));
      } catch {
        // A page without storage forgets its view; nothing else depends on it.
      }
    },

    theme: watchTheme,
  };
}

/** As this analysis was left in this window, else as the page brought it. */
function recall(page: Page): Partial<ViewState> | null {
  const given = page.view ?? null;
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Partial<ViewState> | null;
    return kept && (given === null || kept.runId === page.runId) ? kept : given;
  } catch {
    return given;
  }
}

function download(name: string, content: string, encoding: 'utf8' | 'base64'): void {
  const link = document.createElement('a');
  const address = URL.createObjectURL(new Blob([encoding === 'utf8' ? content : bytesOf(content)]));
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

function bytesOf(base64: string): ArrayBuffer {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}
