/** Starts the view in a notebook's output: as a recording, and again each time the kernel comes or goes. */
import { recordingOf } from '../../extension/shared/webview';
import type { ViewState } from '../../extension/shared/webview';
import type { Page } from './hosts/browser';
import type { Host } from './hosts/host';
import { createNotebook } from './hosts/notebook/host';
import { mount } from './mount';
import { startTheme } from './hosts/pageTheme';
import { MARK, marked } from './hosts/notebook/messages';
import type { FromFrame, Theme, ToFrame } from './hosts/notebook/messages';

/** The page around is asked for its colours first; a notebook that nobody runs may have none to say them. */
const PATIENCE_MS = 300;

/** `words`: the message over the graph while the kernel cannot answer. */
export function startInNotebook(
  root: HTMLElement,
  page: Page,
  { channel, words }: { channel: string; words: string },
): void {
  let unmount: (() => void) | null = null;
  let live = false;
  const whole = pageText(page);
  const notebook = createNotebook(
    channel,
    (view) => (page.view = view),
    (ask) => void savePage(ask),
  );

  /** With the answers that its views need, where a kernel gives them. */
  async function savePage(ask: Host['ask'] | null): Promise<void> {
    const [view, effects] = [page.view ?? null, page.effects ?? null];
    const question = { method: 'lmTransparency/record', params: recordingOf(page.runId ?? '', view, effects) } as const;
    const found = await ask?.(question).catch(() => null);
    if (found) page.answers = found.answers;
    download(`${page.title ?? 'routes'}.html`, whole(view));
  }

  function show(): void {
    unmount?.();
    document.body.classList.toggle('live', live);
    unmount = mount(root, notebook.host(live));
  }

  window.lmTransparencyPage = page;
  document.body.classList.add('in-notebook');
  const line = document.querySelector('.page-line span');
  if (line) line.textContent = words;
  const ignoreSystem = startTheme();
  const hello: FromFrame = { kind: 'hello', runId: page.runId ?? '' };
  const sayHello = (): void => window.parent.postMessage({ ...hello, [MARK]: channel }, '*');
  window.addEventListener('message', (event) => {
    const message = event.source === window.parent ? marked<ToFrame>(event.data) : null;
    if (message?.[MARK] !== channel) return;
    if (message.kind === 'page') {
      ignoreSystem();
      applyTheme(message.theme);
      if (unmount === null) {
        page.view = message.view ?? page.view ?? null;
        show();
      }
    } else if (message.kind === 'here' || message.kind === 'gone') {
      if (live === (message.kind === 'here')) return;
      live = !live;
      // one that came by itself does not know this frame yet
      if (live) sayHello();
      else notebook.giveUp();
      show();
    } else notebook.hear(message);
  });
  sayHello();
  setTimeout(() => {
    if (unmount === null) show();
  }, PATIENCE_MS);
}

function applyTheme({ light, variables }: Theme): void {
  const { style } = document.documentElement;
  for (const [name, value] of Object.entries(variables)) style.setProperty(`--vscode-${name}`, value);
  document.body.classList.toggle('vscode-light', light);
  document.body.classList.toggle('vscode-dark', !light);
}

/** This page as a file, in its state before anything was drawn, with the effects that are known now. */
function pageText(page: Page): (view: Partial<ViewState> | null) => string {
  const copy = document.documentElement.cloneNode(true) as HTMLElement;
  return (view) => {
    const holder = copy.querySelector('#lm-transparency-page');
    const { title, runId, payload, effects, answers } = page;
    const json = JSON.stringify({ title, runId, payload, view, effects, answers }).replaceAll('<', '\\u003c');
    if (holder) holder.textContent = json;
    return `<!doctype html>\n${copy.outerHTML}\n`;
  };
}

function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/html' }));
  link.download = name;
  link.click();
}
