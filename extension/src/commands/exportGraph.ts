import * as vscode from 'vscode';
import type { Appearance } from '../../shared/protocol';
import type { SaveFormat } from '../../shared/webview';
import type { App } from '../app';
import type { Panel } from '../panel/panel';
import { savePage } from '../panel/savePage';
import { reportFailure } from './report';

interface Choice extends vscode.QuickPickItem {
  format: SaveFormat | 'figure';
  appearance: Appearance;
}

/** Figures are light whatever the editor's theme; dark is for slides. */
const CHOICES: Choice[] = [
  {
    label: 'Figure…',
    description: 'a preview: theme, width in columns, caption; SVG, PDF, PNG',
    format: 'figure',
    appearance: 'light',
  },
  { label: 'SVG', description: 'the drawing, scalable and editable', format: 'svg', appearance: 'light' },
  { label: 'SVG, dark', description: 'the same on a dark background', format: 'svg', appearance: 'dark' },
  { label: 'PDF', description: 'the drawing, for a paper', format: 'pdf', appearance: 'light' },
  { label: 'PNG', description: 'the drawing, in pixels', format: 'png', appearance: 'light' },
  { label: 'PNG, dark', description: 'the same on a dark background', format: 'png', appearance: 'dark' },
  { label: 'CSV', description: 'the edges as a table', format: 'csv', appearance: 'light' },
  { label: 'JSON', description: 'the graph as data', format: 'json', appearance: 'light' },
  {
    label: 'Attribution graph',
    description: 'JSON for Neuronpedia and circuit-tracer',
    format: 'attribution',
    appearance: 'light',
  },
  {
    label: 'HTML',
    description: 'an interactive page that opens without VS Code',
    format: 'html',
    appearance: 'light',
  },
];

/** Export Graph: saves what a panel shows. `wanted`: a format, or `svg-dark` or `png-dark`; otherwise it is asked for. */
export function exportGraph(app: App): (wanted?: unknown) => Promise<void> {
  return async (wanted) => {
    const panel = panelMeant(app);
    if (!panel?.shown) {
      void vscode.window.showInformationMessage('Analyze a prompt first, then export its graph.');
      return;
    }
    const choice = choiceNamed(wanted) ?? (await choose());
    if (!choice) return;
    const { format, appearance } = choice;
    try {
      if (format === 'html') await savePage({ ...app, ask: (...asked) => app.analyses.ask(...asked) }, panel);
      else panel.export(format, appearance);
    } catch (error) {
      await reportFailure(app, error);
    }
  };
}

async function choose(): Promise<Choice | undefined> {
  return vscode.window.showQuickPick(CHOICES, { title: 'Export Graph', placeHolder: 'Save as' });
}

/** The panel in front, else the one of the text in front, else the only one. */
export function panelMeant({ panels }: App): Panel | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri.toString();
  const all = panels.all();
  return (
    panels.active() ?? all.find((panel) => panel.uri?.toString() === uri) ?? (all.length === 1 ? all[0] : undefined)
  );
}

function choiceNamed(wanted: unknown): Choice | undefined {
  return CHOICES.find(({ format, appearance }) => wanted === (appearance === 'dark' ? `${format}-dark` : format));
}
