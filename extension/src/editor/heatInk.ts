import * as vscode from 'vscode';
import { HEAT_STEPS, heatSentence, type Warmth } from './heat';

/** Draws heat on text: backgrounds in eight steps, and in high contrast underlines of growing thickness. */
export class HeatInk implements vscode.Disposable {
  #styles: vscode.TextEditorDecorationType[] = [];
  readonly #listening: vscode.Disposable;

  /** `redraw`: the colours have changed, and what was drawn is gone. */
  constructor(redraw: () => void) {
    let isHighContrast = hasHighContrast();
    this.#make(isHighContrast);
    this.#listening = vscode.window.onDidChangeActiveColorTheme(() => {
      // the other themes' colours follow by themselves
      if (isHighContrast === hasHighContrast()) return;
      isHighContrast = !isHighContrast;
      this.#make(isHighContrast);
      redraw();
    });
  }

  /** Shows this heat and no other in an editor. `target`: the text of the token that the flow goes into. */
  draw(editor: vscode.TextEditor, heat: readonly { warmth: Warmth; target: string }[]): void {
    for (const [index, style] of this.#styles.entries()) {
      const drawn = heat.filter(({ warmth }) => warmth.step === index + 1);
      editor.setDecorations(
        style,
        drawn.map(({ warmth: { start, end, mass }, target }) => ({
          range: new vscode.Range(editor.document.positionAt(start), editor.document.positionAt(end)),
          hoverMessage: new vscode.MarkdownString().appendText(heatSentence(mass, target)),
        })),
      );
    }
  }

  dispose(): void {
    this.#listening.dispose();
    for (const style of this.#styles.splice(0)) style.dispose();
  }

  #make(isHighContrast: boolean): void {
    for (const style of this.#styles.splice(0)) style.dispose();
    for (let step = 1; step <= HEAT_STEPS; step += 1) {
      const colour = new vscode.ThemeColor(`lmTransparency.heat${step}`);
      this.#styles.push(
        vscode.window.createTextEditorDecorationType({
          rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
          ...(isHighContrast ? { textDecoration: `underline ${step / 2}px` } : { backgroundColor: colour }),
        }),
      );
    }
  }
}

function hasHighContrast(): boolean {
  const { kind } = vscode.window.activeColorTheme;
  return kind === vscode.ColorThemeKind.HighContrast || kind === vscode.ColorThemeKind.HighContrastLight;
}
