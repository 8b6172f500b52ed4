/** Runs in the notebook's page, once: hands its colours to the graphs in it and keeps how each was looked at. */
import type { ViewState } from '../../../../extension/shared/webview';
import { MARK, marked } from './messages';
import type { FromFrame, Theme, ToFrame } from './messages';

declare global {
  interface Window {
    lmTransparencySurroundings?: true;
  }
}

/** The variables that the view reads, with JupyterLab's names; VS Code's notebooks have the first. */
const NAMES: Record<string, string> = {
  'editor-background': 'layout-color0',
  foreground: 'content-font-color1',
  descriptionForeground: 'content-font-color2',
  focusBorder: 'brand-color1',
  'panel-border': 'border-color2',
  'font-family': 'ui-font-family',
  'editor-font-family': 'code-font-family',
  'textLink-foreground': 'content-link-color',
  'input-background': 'layout-color0',
  'input-border': 'border-color1',
  'input-foreground': 'content-font-color1',
  'list-hoverBackground': 'layout-color2',
  'editorWidget-background': 'layout-color1',
  'editorWidget-border': 'border-color1',
  'editorHoverWidget-background': 'layout-color1',
  'editorHoverWidget-border': 'border-color1',
  'editorHoverWidget-foreground': 'content-font-color1',
};
/** A theme's style sheet may arrive after its name. */
const LATE_MS = 400;

function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const variables: Record<string, string> = {};
  for (const [ours, jupyters] of Object.entries(NAMES)) {
    const value = style.getPropertyValue(`--vscode-${ours}`) || style.getPropertyValue(`--jp-${jupyters}`);
    if (value.trim() !== '') variables[ours] = value.trim();
  }
  return { light: isLight(), variables };
}

function isLight(): boolean {
  const { classList, dataset } = document.body;
  if (dataset['jpThemeLight'] !== undefined) return dataset['jpThemeLight'] === 'true';
  if (classList.contains('vscode-dark') || classList.contains('vscode-high-contrast')) return false;
  if (classList.contains('vscode-light') || classList.contains('vscode-high-contrast-light')) return true;
  return !matchMedia('(prefers-color-scheme: dark)').matches;
}

function start(): void {
  const frames = new Map<Window, string>();
  const views = new Map<string, ViewState>();

  function tell(frame: Window, channel: string, view: ViewState | null = null): void {
    const message: ToFrame = { kind: 'page', theme: readTheme(), view };
    frame.postMessage({ ...message, [MARK]: channel }, '*');
  }

  function tellAll(): void {
    for (const [frame, channel] of frames) {
      if (frame.closed) frames.delete(frame);
      else tell(frame, channel);
    }
  }

  window.addEventListener('message', (event) => {
    const message = marked<FromFrame>(event.data);
    if (!message || !event.source) return;
    if (message.kind === 'remember') views.set(message.view.runId, message.view);
    if (message.kind !== 'hello') return;
    const frame = event.source as Window;
    frames.set(frame, message[MARK]);
    tell(frame, message[MARK], views.get(message.runId) ?? null);
  });
  const changed = (): void => {
    tellAll();
    setTimeout(tellAll, LATE_MS);
  };
  const observer = new MutationObserver(changed);
  for (const element of [document.documentElement, document.body])
    observer.observe(element, { attributes: true, attributeFilter: ['class', 'style', 'data-jp-theme-name'] });
}

if (!window.lmTransparencySurroundings) {
  window.lmTransparencySurroundings = true;
  start();
}
