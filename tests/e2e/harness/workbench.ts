import { basename } from 'node:path';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { workbenchUrl, type RunningServer } from '../../../scripts/host/server.mjs';
import { openQuickInputAndPick, pickInQuickInput, quickInput } from './quick-input.ts';
import { themes, type Theme } from './themes.ts';

const loadMilliseconds = 60_000;

/** What a test may ask of the window it opens. */
export interface WorkbenchOptions {
  theme?: Theme;
  /** A file to open at once, as the address printed by `make run` does. */
  file?: string;
  viewport?: { width: number; height: number };
  /** Without a GPU what moves takes much of a core, and tests wait for it: false where it is looked at. */
  reducedMotion?: boolean;
}

/** Opens the server's folder in a fresh browser context and waits until the workbench can be used. */
export async function openWorkbench(
  browser: Browser,
  server: RunningServer,
  { theme = 'dark', file, viewport = { width: 1440, height: 900 }, reducedMotion = true }: WorkbenchOptions = {},
): Promise<Page> {
  const reduceMotion = reducedMotion ? 'on' : 'off';
  server.writeUserSettings({ 'workbench.colorTheme': themes[theme].id, 'workbench.reduceMotion': reduceMotion });
  const context = await browser.newContext({ viewport, reducedMotion: reducedMotion ? 'reduce' : 'no-preference' });
  await context.addInitScript(standSpinnersStill);
  const page = await context.newPage();
  await page.goto(workbenchUrl(server.origin, server.folder, file));
  await waitForWorkbench(page);
  await waitForTheme(page, theme);
  // it is opened while the rest is drawn, and may come last
  if (file) await waitForText(page, basename(file), loadMilliseconds);
  return page;
}

/** VS Code's spinners go on with reduced motion; without a GPU one takes half a core from what is waited for. */
function standSpinnersStill(): void {
  const style = new CSSStyleSheet();
  style.replaceSync('.codicon-modifier-spin::before, .codicon-modifier-spin { animation: none !important }');
  document.adoptedStyleSheets.push(style);
}

/** Waits until the workbench is drawn, connected to its server and shows the folder's files. */
export async function waitForWorkbench(page: Page): Promise<void> {
  const timeout = loadMilliseconds;
  await page.locator('.monaco-workbench .part.editor').waitFor({ timeout });
  await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor({ timeout });
  await page.locator('.statusbar [id="status.host"][aria-label="remote"]').waitFor({ timeout });
}

/** Reloads the window by the workbench's own command, which saves its state first. */
export async function reloadWindow(page: Page): Promise<void> {
  const loaded = page.waitForEvent('load', { timeout: loadMilliseconds });
  await runCommand(page, 'Developer: Reload Window');
  await loaded;
  await waitForWorkbench(page);
}

/** Runs a command by its full title, for example `LM Transparency: Analyze Prompt`, from the command palette. */
export async function runCommand(page: Page, title: string): Promise<void> {
  await openQuickInputAndPick(page, 'F1', `>${title}`, title);
}

/** Opens a file of the folder by its name through quick open, and waits for its tab, and for its text where it `isText`. */
export async function openFile(page: Page, name: string, isText = true): Promise<void> {
  await openQuickInputAndPick(page, 'Control+p', name, name);
  await page
    .locator(`.editor-group-container.active .tab.active[data-resource-name=${JSON.stringify(name)}]`)
    .first()
    .waitFor();
  if (isText) await waitForText(page, name);
}

/** Closes the tab whose title has `title`, whichever is active. A command would close the active one, and twice if it is sent twice. */
export async function closeTab(page: Page, title: string): Promise<void> {
  const tab = page.locator('.tab', { hasText: title });
  await tab.click({ button: 'middle' });
  await tab.waitFor({ state: 'detached' });
}

/** Waits until an editor shows a file: its tab is active before, with the text of another file under it. */
async function waitForText(page: Page, name: string, timeout = 30_000): Promise<void> {
  const editor = page.locator(`.editor-instance .monaco-editor[data-uri$=${JSON.stringify(`/${name}`)}]:visible`);
  await editor.first().waitFor({ timeout });
}

/** Changes the colour theme of the running window, and of the webviews in view, through the theme picker. */
export async function setTheme(page: Page, theme: Theme): Promise<void> {
  await runCommand(page, 'Preferences: Color Theme');
  await pickInQuickInput(page, themes[theme].label, themes[theme].label);
  await quickInput(page).waitFor({ state: 'hidden' });
  await waitForTheme(page, theme);
  // webviews are told after the window is drawn in it
  const shown = await page.locator(readyWebview).count();
  for (let nth = 0; nth < shown; nth++)
    await webviewFrame(page, nth).locator(`body[data-vscode-theme-kind="${themes[theme].kind}"]`).waitFor();
}

export const readyWebview = 'iframe.webview.ready:visible';

/** The document inside the visible webview; `nth` counts from 0 where several are visible. */
export function webviewFrame(page: Page, nth = 0): FrameLocator {
  return page.locator(readyWebview).nth(nth).contentFrame().frameLocator('iframe#active-frame');
}

/** The texts of the notifications on screen. */
export async function notifications(page: Page): Promise<string[]> {
  return page.locator('.notifications-toasts .notification-list-item-message').allInnerTexts();
}

async function waitForTheme(page: Page, theme: Theme): Promise<void> {
  await page.locator(`.monaco-workbench.${themes[theme].workbenchClass}`).waitFor();
}
