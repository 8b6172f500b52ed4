import * as vscode from 'vscode';
import type { PanelLayout } from '../../shared/webview';
import { Failure } from '../failure';
import { readView } from './messages';
import { type Comparison, tabTitle } from './kept';
import { Panel, type PanelEvents } from './panel';
import type { ResultStore } from './resultStore';

export const PANEL_TYPE = 'lmTransparency.routes';

const PROMPT_AND_GRAPH = { orientation: 0, groups: [{ size: 0.34 }, { size: 0.66 }] };
const PROMPT_AND_TWO_GRAPHS = { orientation: 0, groups: [{ size: 0.2 }, { size: 0.4 }, { size: 0.4 }] };

/** Opens the last group to files once nothing is left in it: locked, it would send the next one to a second column. */
export function unlockEmptyGroup(): vscode.Disposable {
  const { tabGroups } = vscode.window;
  const look = () => {
    const [only, ...others] = tabGroups.all;
    if (others.length === 0 && only?.tabs.length === 0)
      void vscode.commands.executeCommand('workbench.action.unlockEditorGroup');
  };
  return vscode.Disposable.from(tabGroups.onDidChangeTabs(look), tabGroups.onDidChangeTabGroups(look));
}

/** The open panels: one for all prompts and one for comparisons; also brings them back after a window reload. */
export class Panels implements vscode.WebviewPanelSerializer {
  readonly #panels = new Set<Panel>();
  readonly #dist: vscode.Uri;
  readonly #icon: { light: vscode.Uri; dark: vscode.Uri };
  readonly #events: PanelEvents;
  /** How the user arranged the panel that was closed last. */
  #layout: PanelLayout | null = null;

  constructor(
    extensionUri: vscode.Uri,
    private readonly store: ResultStore,
    events: PanelEvents,
  ) {
    this.#dist = vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
    const icon = (theme: string) => vscode.Uri.joinPath(extensionUri, 'media', `routes-${theme}.svg`);
    this.#icon = { light: icon('light'), dark: icon('dark') };
    this.#events = {
      ...events,
      disposed: (panel) => {
        this.#panels.delete(panel);
        this.#layout = panel.view?.layout ?? this.#layout;
        events.disposed(panel);
      },
    };
  }

  /**
   * Shows the document's panel, else the one that is there, or the one for comparisons, beside the editor; the focus does
   * not move. A panel keeps its document while that is being analyzed, and while its tab is pinned.
   */
  open(uri: vscode.Uri, title: string, comparison: Comparison | null = null): Panel {
    const isMeant = (panel: Panel) =>
      comparison ? panel.comparison !== null : !panel.comparison && panel.uri?.toString() === uri.toString();
    const known = [...this.#panels].find(isMeant);
    if (known) {
      Object.assign(known, { uri, comparison });
      known.reveal();
      return known;
    }
    const there = comparison ? undefined : this.#free();
    if (there) {
      const isOverPrompt = there.webviewPanel.viewColumn === vscode.window.activeTextEditor?.viewColumn;
      const column = isOverPrompt ? this.#columnFor() : undefined;
      this.#unlockPromptsGroup();
      there.begin(uri, title);
      there.reveal(column);
      return there;
    }
    const column = { viewColumn: comparison ? this.#lastColumn() : this.#columnFor(), preserveFocus: true };
    const nGroups = vscode.window.tabGroups.all.length;
    this.#unlockPromptsGroup();
    const created = vscode.window.createWebviewPanel(PANEL_TYPE, tabTitle(title, comparison), column, {
      enableScripts: true,
      localResourceRoots: [this.#dist],
    });
    // a prompt is narrow and a graph is wide; a layout that the user made stays as it is
    const layout = comparison
      ? nGroups === 2
        ? PROMPT_AND_TWO_GRAPHS
        : null
      : nGroups === 1
        ? PROMPT_AND_GRAPH
        : null;
    if (layout) void vscode.commands.executeCommand('vscode.setEditorLayout', layout);
    const arranged = this.all().findLast(({ view }) => view !== null)?.view?.layout ?? this.#layout;
    const panel = this.#add(created, uri, comparison);
    // what fills a panel is not meant for the next one
    panel.layout = arranged && { ...arranged, maximized: null };
    return panel;
  }

  /** The panel the user looks at or acted in last. */
  active(): Panel | undefined {
    return [...this.#panels].find((panel) => panel.webviewPanel.active);
  }

  all(): readonly Panel[] {
    return [...this.#panels];
  }

  async deserializeWebviewPanel(webviewPanel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const view = readView(state);
    const result = view && (await this.store.get(view.runId));
    const comparison = result?.isComparison ? { source: result.asked.source ?? null } : null;
    const panel = this.#add(webviewPanel, result ? vscode.Uri.parse(result.uri, true) : null, comparison);
    if (!result) {
      panel.showFailure(new Failure('noResult', 'There is no analysis to show.', 'Analyze the prompt again.'));
      return;
    }
    try {
      panel.showResult(result, view);
    } catch (error) {
      panel.showFailure(error);
    }
  }

  /** The panel that the next document takes: the one that was in front last. */
  #free(): Panel | undefined {
    const free = this.all().filter((panel) => !panel.comparison && !panel.isAwaiting && !isPinned(panel));
    return free.find(({ webviewPanel }) => webviewPanel.active || webviewPanel.visible) ?? free.at(-1);
  }

  // beside the other panels, so that each document does not open one more column
  #columnFor(): vscode.ViewColumn {
    const own = this.all().filter((panel) => !panel.comparison);
    const used = own.flatMap(({ webviewPanel }) => webviewPanel.viewColumn ?? []);
    const editing = vscode.window.activeTextEditor?.viewColumn;
    const beside = used.find((column) => column !== editing);
    if (beside !== undefined || used.length === 0) return beside ?? vscode.ViewColumn.Beside;
    // the prompt is among the panels: any existing group is as good as a new one
    const other = vscode.window.tabGroups.all.find(({ viewColumn }) => viewColumn !== editing);
    return other?.viewColumn ?? vscode.ViewColumn.Beside;
  }

  // the default of workbench.editor.autoLockGroups keeps files out of the panels' group; one that a prompt came to all
  // the same, for want of another, is for files from then on
  #unlockPromptsGroup(): void {
    const editing = vscode.window.activeTextEditor?.viewColumn;
    const isAmongPanels = this.all().some(({ webviewPanel }) => webviewPanel.viewColumn === editing);
    if (editing === undefined || !isAmongPanels) return;
    void vscode.commands.executeCommand('workbench.action.unlockEditorGroup');
  }

  // after the panels' column, which is the last one unless the user moved something
  #lastColumn(): vscode.ViewColumn {
    const used = this.all().flatMap(({ webviewPanel }) => webviewPanel.viewColumn ?? []);
    return Math.min(vscode.ViewColumn.Nine, Math.max(vscode.ViewColumn.One, ...used) + 1);
  }

  #add(webviewPanel: vscode.WebviewPanel, uri: vscode.Uri | null, comparison: Comparison | null): Panel {
    const panel = new Panel(webviewPanel, uri, this.#dist, this.#events, comparison);
    webviewPanel.iconPath = this.#icon;
    this.#panels.add(panel);
    return panel;
  }
}

/** Tabs do not say which panel they are of: by their place and title. */
function isPinned({ webviewPanel: { viewColumn, title } }: Panel): boolean {
  const group = vscode.window.tabGroups.all.find((one) => one.viewColumn === viewColumn);
  const isOfPanel = ({ input, label }: vscode.Tab) =>
    input instanceof vscode.TabInputWebview && input.viewType.endsWith(PANEL_TYPE) && label === title;
  return (group?.tabs ?? []).some((tab) => tab.isPinned && isOfPanel(tab));
}
