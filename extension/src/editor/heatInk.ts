import * as vscode from 'vscode';
import { HEAT_STEPS, type Warmth } from './heat';

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

  /** Shows this heat, and no other of this ink, in an editor. */
  draw(editor: vscode.TextEditor, heat: readonly Warmth[]): void {
    for (const [index, style] of this.#styles.entries()) {
      const drawn = heat.filter(({ step }) => step === index + 1);
      editor.setDecorations(
        style,
        drawn.map(({ start, end, words }) => ({
          range: new vscode.Range(editor.document.positionAt(start), editor.document.positionAt(end)),
          ...(words && { hoverMessage: new vscode.MarkdownString().appendText(words) }),
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

export function hasHighContrast(): boolean {
  const { kind } = vscode.window.activeColorTheme;
  return kind === vscode.ColorThemeKind.HighContrast || kind === vscode.ColorThemeKind.HighContrastLight;
}
