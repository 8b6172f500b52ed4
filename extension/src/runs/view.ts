import * as vscode from 'vscode';
import type { Run, Runs } from './library';
import type { RunContent } from './runFile';

export const RUNS_VIEW = 'lmTransparency.analyses';

const LONGEST_LABEL = 60;
const LONGEST_TOOLTIP = 1500;

/** A prompt and its runs; broken files belong to none. */
export interface PromptGroup {
  prompt: string;
  runs: Run[];
}

export type Row = PromptGroup | Run;

/** The view "Analyses": prompts with their runs. */
export class RunsView implements vscode.TreeDataProvider<Row> {
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  #groups: readonly PromptGroup[] = [];

  constructor(private readonly runs: Runs) {
    runs.changed.listen(() => this.#changed.fire(undefined));
  }

  async getChildren(row?: Row): Promise<Row[]> {
    if (row) return isGroup(row) ? row.runs : [];
    const all = await this.runs.all();
    this.#groups = groupsOf(all);
    return [...this.#groups, ...all.filter(({ content }) => content === null)];
  }

  getParent(row: Row): Row | undefined {
    return isGroup(row) ? undefined : this.#groups.find(({ runs }) => runs.includes(row));
  }

  getTreeItem(row: Row): vscode.TreeItem {
    return isGroup(row) ? groupItem(row) : runItem(row);
  }
}

/** The view, which is empty until it is opened for the first time. */
export function showRuns(runs: Runs): vscode.TreeView<Row> {
  const treeDataProvider = new RunsView(runs);
  return vscode.window.createTreeView(RUNS_VIEW, { treeDataProvider, canSelectMany: true, showCollapseAll: true });
}

export function isGroup(row: Row): row is PromptGroup {
  return 'runs' in row;
}

/** Runs by their prompt, in the order they come in. */
export function groupsOf(runs: readonly Run[]): PromptGroup[] {
  const groups = new Map<string, PromptGroup>();
  for (const run of runs) {
    if (!run.content) continue;
    const { prompt } = run.content;
    const group = groups.get(prompt) ?? { prompt, runs: [] };
    group.runs.push(run);
    groups.set(prompt, group);
  }
  return [...groups.values()];
}

function groupItem({ prompt, runs }: PromptGroup): vscode.TreeItem {
  const item = new vscode.TreeItem(excerpt(prompt), vscode.TreeItemCollapsibleState.Expanded);
  const document = runs.find((run) => run.document)?.document;
  item.id = `prompt ${prompt}`;
  item.iconPath = new vscode.ThemeIcon('quote');
  item.contextValue = 'prompt';
  if (document) item.description = vscode.workspace.asRelativePath(document);
  item.tooltip = prompt.slice(0, LONGEST_TOOLTIP);
  return item;
}

function runItem(run: Run): vscode.TreeItem {
  const { content, uri } = run;
  const item = new vscode.TreeItem(labelOf(run), vscode.TreeItemCollapsibleState.None);
  item.id = uri.toString();
  if (!content) {
    item.iconPath = new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
    item.description = `cannot be read: ${run.broken}`;
    item.tooltip = `${uri.fsPath}\n\nThis run cannot be read: ${run.broken}.`;
    item.contextValue = 'run.broken';
    item.command = { command: 'lmTransparency.openRunFile', title: 'Open Run as Text', arguments: [run] };
    item.accessibilityInformation = { label: `${run.name}, a run that cannot be read: ${run.broken}` };
    return item;
  }
  item.iconPath = new vscode.ThemeIcon(run.saved ? 'bookmark' : 'type-hierarchy-sub');
  item.description = [run.name === labelOf(run) ? content.model : '', answerOf(run)].filter(Boolean).join(' · ');
  item.tooltip = tooltipOf(run);
  item.contextValue = run.saved ? 'run.saved' : 'run.kept';
  item.command = { command: 'lmTransparency.openRun', title: 'Open Run', arguments: [run] };
  item.accessibilityInformation = {
    label: `${labelOf(run)}, ${item.description}, ${run.saved ? 'saved beside the prompt' : 'kept'}`,
  };
  return item;
}

/** A run is called by its model, until a person gives it a name. */
export function labelOf({ content, name, key }: Run): string {
  return content && name.endsWith(`-${key.slice(0, 8)}`) ? content.model : name;
}

function answerOf({ content }: Run): string {
  if (!content?.answer) return '';
  const { text, probability } = content.answer;
  const figure = probability === null ? '' : ` ${(100 * probability).toFixed(1)} %`;
  return `${text.trim() || JSON.stringify(text)}${figure}`;
}

function tooltipOf(run: Run): vscode.MarkdownString {
  const { content } = run;
  const tip = new vscode.MarkdownString();
  if (!content) return tip;
  const { asked, created, threshold, tokens } = content;
  const at = new Date(created);
  const lines = [
    `${content.model}, ${tokens} tokens, threshold ${threshold.toFixed(3)}`,
    `dtype ${asked.dtype}, special tokens ${asked.specialTokens}${asked.chat ? ', a chat' : ''}`,
    effectsIn(content),
    Number.isNaN(at.getTime()) ? '' : at.toLocaleString(),
    run.saved ? `saved as ${vscode.workspace.asRelativePath(run.uri)}` : '',
    run.kept ? '' : 'opening it analyzes the prompt again',
  ];
  // as text: a prompt is anybody's
  tip.appendText(excerpt(content.prompt, LONGEST_TOOLTIP));
  for (const line of lines.filter(Boolean)) {
    tip.appendMarkdown('\n\n');
    tip.appendText(line);
  }
  return tip;
}

function effectsIn({ effects }: RunContent): string {
  if (!effects) return '';
  const { target, contrast } = effects.metric;
  const measured = effects.units.filter((unit) => unit.measured !== null).length;
  const rather = contrast ? ` rather than ${JSON.stringify(contrast.text)}` : '';
  return `effects on ${JSON.stringify(target.text)}${rather}: ${measured} measured`;
}

function excerpt(prompt: string, longest = LONGEST_LABEL): string {
  const text = prompt
    .replace(/^\s*<\|[A-Za-z_]+\|>/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const characters = [...text];
  return (characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : text) || '(blank)';
}
