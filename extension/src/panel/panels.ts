import * as vscode from 'vscode';
import { Failure } from '../backend/failure';
import { readView } from './messages';
import { Panel, type PanelEvents, tabTitle } from './panel';
import type { ResultStore } from './resultStore';

export const PANEL_TYPE = 'lmTransparency.routes';

const PROMPT_AND_GRAPH = { orientation: 0, groups: [{ size: 0.34 }, { size: 0.66 }] };

/** The open panels, one a document; also brings them back after a window reload. */
export class Panels implements vscode.WebviewPanelSerializer {
  readonly #panels = new Set<Panel>();
  readonly #dist: vscode.Uri;
  readonly #icon: { light: vscode.Uri; dark: vscode.Uri };
  readonly #events: PanelEvents;

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
        events.disposed(panel);
      },
    };
  }

  /** The document's panel, brought into view beside the editor; the focus stays where it is. */
  open(uri: vscode.Uri, title: string): Panel {
    const known = [...this.#panels].find((panel) => panel.uri?.toString() === uri.toString());
    if (known) {
      known.reveal();
      return known;
    }
    const column = { viewColumn: this.#columnFor(), preserveFocus: true };
    const isFirstBeside = vscode.window.tabGroups.all.length === 1;
    const created = vscode.window.createWebviewPanel(PANEL_TYPE, tabTitle(title), column, {
      enableScripts: true,
      localResourceRoots: [this.#dist],
    });
    // a prompt is narrow and a graph is wide; a layout that the user made stays as it is
    if (isFirstBeside) void vscode.commands.executeCommand('vscode.setEditorLayout', PROMPT_AND_GRAPH);
    return this.#add(created, uri);
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
    const panel = this.#add(webviewPanel, result ? vscode.Uri.parse(result.uri, true) : null);
    if (!result) {
      panel.showFailure(new Failure('noResult', 'There is no analysis to show here.', 'Analyze the prompt once more.'));
      return;
    }
    try {
      panel.showResult(result, view);
    } catch (error) {
      panel.showFailure(error);
    }
  }

  // beside the other panels, so that each document does not open one more column
  #columnFor(): vscode.ViewColumn {
    const used = this.all().flatMap(({ webviewPanel }) => webviewPanel.viewColumn ?? []);
    const editing = vscode.window.activeTextEditor?.viewColumn;
    return used.find((column) => column !== editing) ?? vscode.ViewColumn.Beside;
  }

  #add(webviewPanel: vscode.WebviewPanel, uri: vscode.Uri | null): Panel {
    const panel = new Panel(webviewPanel, uri, this.#dist, this.#events);
    webviewPanel.iconPath = this.#icon;
    this.#panels.add(panel);
    return panel;
  }
}
