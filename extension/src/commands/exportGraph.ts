import * as vscode from 'vscode';
import type { SaveFormat } from '../../shared/webview';
import type { App } from '../app';
import { savePage } from '../panel/notices';
import type { Panel } from '../panel/panel';
import { reportFailure } from './report';

const FORMATS: Record<SaveFormat, { label: string; description: string }> = {
  svg: { label: 'SVG', description: 'the drawing, to be scaled and edited' },
  png: { label: 'PNG', description: 'the drawing, in pixels' },
  csv: { label: 'CSV', description: 'the edges as a table' },
  json: { label: 'JSON', description: 'the graph as data' },
  html: { label: 'HTML', description: 'one page that opens without VS Code and can be explored' },
};

/** Export Graph: saves what a panel shows. `wanted`: a format; otherwise it is asked for. */
export function exportGraph(app: App): (wanted?: unknown) => Promise<void> {
  return async (wanted) => {
    const panel = panelMeant(app);
    if (!panel?.shown) {
      void vscode.window.showInformationMessage('Analyze a prompt first; then its graph can be exported.');
      return;
    }
    const format = isFormat(wanted) ? wanted : await choose();
    if (!format) return;
    try {
      if (format === 'html') await savePage(app.extensionUri, panel);
      else panel.export(format);
    } catch (error) {
      await reportFailure(app, error);
    }
  };
}

async function choose(): Promise<SaveFormat | undefined> {
  const items = Object.entries(FORMATS).map(([format, words]) => ({ ...words, format: format as SaveFormat }));
  const chosen = await vscode.window.showQuickPick(items, { title: 'Export Graph', placeHolder: 'Save as' });
  return chosen?.format;
}

/** The panel in front, else the one of the text in front, else the only one. */
export function panelMeant({ panels }: App): Panel | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri.toString();
  const all = panels.all();
  return (
    panels.active() ?? all.find((panel) => panel.uri?.toString() === uri) ?? (all.length === 1 ? all[0] : undefined)
  );
}

function isFormat(value: unknown): value is SaveFormat {
  return typeof value === 'string' && Object.hasOwn(FORMATS, value);
}
