/** The widget without a view: passes questions of the graphs in a notebook on to the kernel, one at a time. */
import type { Question } from '../../../../extension/shared/webview';
import { MARK, marked } from './messages';
import type { FromFrame, FromKernel, ToFrame } from './messages';

/** The part of anywidget's model that is used (https://anywidget.dev/en/afm). */
interface Model {
  get(name: 'channel'): string;
  send(content: unknown): void;
  on(event: 'msg:custom', listener: (message: FromKernel) => void): void;
  widget_manager?: { kernel?: Kernel | null };
}

/** JupyterLab's connection to a kernel; other front ends may have none. */
interface Kernel {
  status?: string;
  statusChanged?: { connect(slot: () => void): void; disconnect(slot: () => void): void };
}

interface Asked {
  id: number;
  frame: Window;
  theirs: number;
  question: Question;
}

const OVER = new Set(['restarting', 'autorestarting', 'terminating', 'dead']);
/** After this long without a message the reader sees what is pending. */
const BUSY_MS = 1000;
/** After this long without a sign of a working kernel the reader sees that there is no answer. */
const SILENCE_MS = 120_000;

export default {
  initialize({ model }: { model: Model }): () => void {
    const channel = model.get('channel');
    const frames = new Set<Window>();
    let waiting: Asked[] = [];
    let current: { asked: Asked; heard: number; timer: ReturnType<typeof setInterval> } | null = null;
    let lastId = 0;

    const tell = (frame: Window, message: ToFrame): void => frame.postMessage({ ...message, [MARK]: channel }, '*');
    const kernel = model.widget_manager?.kernel;

    function next(): void {
      const asked = current ? undefined : waiting.shift();
      if (!asked) return;
      const began = { asked, heard: Date.now(), timer: setInterval(watch, BUSY_MS) };
      current = began;
      model.send({ id: asked.id, ...asked.question });
    }

    /** No question waits silently: either the kernel is working, or the answer is that there is none. */
    function watch(): void {
      if (!current) return;
      const { asked, heard } = current;
      if (Date.now() - heard > SILENCE_MS && kernel?.status !== 'busy')
        return settle(asked.id, { answer: null, error: 'The kernel did not answer. Run the cell again.' });
      if (Date.now() - heard > BUSY_MS)
        tell(asked.frame, { kind: 'asking', id: asked.theirs, message: 'Waiting for the kernel', fraction: null });
    }

    function settle(id: number, reply: Omit<Extract<FromKernel, { kind: 'answer' }>, 'kind' | 'id'>): void {
      if (current?.asked.id !== id) return;
      const { asked, timer } = current;
      clearInterval(timer);
      current = null;
      tell(asked.frame, { kind: 'answer', id: asked.theirs, ...reply });
      next();
    }

    function onKernel(message: FromKernel): void {
      if (message.kind === 'answer') return settle(message.id, { answer: message.answer, error: message.error });
      if (current?.asked.id !== message.id) return;
      current.heard = Date.now();
      tell(current.asked.frame, { ...message, id: current.asked.theirs });
    }

    function onFrame(event: MessageEvent): void {
      const message = marked<FromFrame>(event.data);
      if (message?.[MARK] !== channel || !event.source) return;
      const frame = event.source as Window;
      if (message.kind === 'hello') {
        frames.add(frame);
        tell(frame, { kind: 'here' });
      } else if (message.kind === 'ask') {
        waiting.push({ id: ++lastId, frame, theirs: message.id, question: message.question });
        next();
      } else if (message.kind === 'giveUp') {
        waiting = waiting.filter((asked) => asked.frame !== frame || asked.theirs !== message.id);
      }
    }

    function stop(): void {
      window.removeEventListener('message', onFrame);
      kernel?.statusChanged?.disconnect(onStatus);
      if (current) clearInterval(current.timer);
      for (const frame of frames) if (!frame.closed) tell(frame, { kind: 'gone' });
      frames.clear();
    }

    function onStatus(): void {
      if (OVER.has(kernel?.status ?? '')) stop();
    }

    window.addEventListener('message', onFrame);
    model.on('msg:custom', onKernel);
    kernel?.statusChanged?.connect(onStatus);
    // frames that were there before: each asks again
    for (let i = 0; i < window.frames.length; i++) {
      const frame = window.frames[i];
      if (frame) tell(frame, { kind: 'here' });
    }
    return stop;
  },
};
