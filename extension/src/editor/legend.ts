import * as vscode from 'vscode';
import { plainLabel } from '../words';
import { BITS_PER_STEP, HEAT_STEPS, percentage } from './heat';
import { hasHighContrast } from './heatInk';
import type { TokenMarks } from './tokenMarks';
import type { Surprisal } from './surprisal';
import { visibleText } from './visibleText';

/** A status bar entry that explains the heat on the text; clicking it hides the heat. */
export function showLegend(marks: TokenMarks, surprisal: Surprisal): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('lmTransparency.heat', vscode.StatusBarAlignment.Right, 200);
  item.name = 'LM Transparency: Heat';
  item.command = 'lmTransparency.hideHeat';
  const update = () => {
    const told = heatedUris()
      .map((uri) => wordsFor(marks, surprisal, uri))
      .find((words) => words !== null);
    void vscode.commands.executeCommand('setContext', 'lmTransparency.heat', told !== undefined);
    if (!told) return item.hide();
    item.text = `$(flame) ${told.text}`;
    item.accessibilityInformation = { label: `Heat: ${told.text}. ${told.scale}` };
    item.tooltip = tooltip(told);
    item.show();
  };
  return vscode.Disposable.from(
    item,
    marks.heated.listen(update),
    surprisal.changed.listen(update),
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.window.onDidChangeVisibleTextEditors(update),
    vscode.window.onDidChangeActiveColorTheme(update),
  );
}

interface Words {
  text: string;
  scale: string;
  /** Labels of the coldest and the hottest step; none while there is no scale yet. */
  ends?: [low: string, high: string];
}

function wordsFor(marks: TokenMarks, surprisal: Surprisal, uri: string): Words | null {
  const flow = marks.flowIn(uri);
  if (flow) {
    const high = percentage(flow.most);
    const target = plainLabel(visibleText(flow.target));
    return {
      text: `Flow into ${target}: to ${high}${by(flow.model)}`,
      scale: 'The flow that arrives at each token; full colour for the largest share in the text.',
      ends: [percentage(flow.most / HEAT_STEPS), high],
    };
  }
  const found = surprisal.shownIn(uri);
  if (!found) return null;
  if (found.state !== 'known')
    return found.state === 'computing'
      ? { text: 'Surprisal …', scale: 'Computing how surprising each token is to the model.' }
      : { text: 'Surprisal: unknown', scale: 'It could not be computed for this text. Typing tries again.' };
  const highest = BITS_PER_STEP * HEAT_STEPS;
  return {
    text: `Surprisal: to ${found.most.toFixed(1)} bits${by(found.model)}`,
    scale: `How surprising each token is to ${found.model || 'the model'}, given what comes before it; full colour from ${highest} bits.`,
    ends: [`${BITS_PER_STEP} bits`, `${highest} bits`],
  };
}

/** Numbers of one model do not apply to another. */
function by(model: string): string {
  return model && ` · ${plainLabel(model)}`;
}

/** Documents that can be seen, the one in front first. */
function heatedUris(): string[] {
  const front = vscode.window.activeTextEditor;
  return [...(front ? [front] : []), ...vscode.window.visibleTextEditors].map(({ document }) =>
    document.uri.toString(),
  );
}

function tooltip({ scale, ends }: Words): vscode.MarkdownString {
  const text = new vscode.MarkdownString('', true);
  text.supportHtml = true;
  text.appendText(scale).appendMarkdown('\n\n');
  if (ends) text.appendMarkdown(`${scaleOf(ends)}\n\n`);
  text.appendMarkdown('Click to hide it.');
  return text;
}

function scaleOf([low, high]: [string, string]): string {
  if (hasHighContrast()) return `Underlines: thicker means more, from ${low} to ${high}.`;
  const steps = Array.from({ length: HEAT_STEPS }, (_, index) => {
    const colour = `var(--vscode-lmTransparency-heat${index + 1})`;
    return `<span style="background-color:${colour};">&nbsp;&nbsp;&nbsp;</span>`;
  });
  return `${low} ${steps.join('')} ${high}`;
}
