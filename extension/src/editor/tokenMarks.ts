import * as vscode from 'vscode';
import type { TokenInfo } from '../../shared/protocol';
import { Signal } from '../signal';
import { flowHeat } from './heat';
import { HeatInk } from './heatInk';
import { moved, type Place, stands } from '../prompts/place';
import { PromptLink } from './link';

/** The part of a panel that is marked in the editor: its analysis and the analysis' place in a document. */
export interface MarkedPanel {
  readonly shown: {
    uri: string;
    place: Place;
    heading: { modelName: string; target: number; tokens: readonly TokenInfo[] };
  } | null;
  readonly view: { target: number } | null;
  showCursor(position: number | null): void;
}

interface Linked {
  panel: MarkedPanel;
  uri: string;
  /** Null once the prompt has been edited: not even the old text brings it back. */
  place: Place | null;
  link: PromptLink | null;
  selected: number | null;
  /** The flow that arrives at each token, while it is shown. */
  masses: readonly number[] | null;
  cursor: number | null;
}

/** Marks a panel's selected token and its heat in the prompt's text, and tells the panel which token the cursor is on. */
export class TokenMarks implements vscode.Disposable {
  /** The flow shown on a document's text has changed or is gone. */
  readonly heated = new Signal<string>();
  readonly #linked = new Map<MarkedPanel, Linked>();
  readonly #style = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor('lmTransparency.selectedTokenBackground'),
    border: '1px solid',
    borderColor: new vscode.ThemeColor('lmTransparency.selectedTokenBorder'),
    borderRadius: '2px',
    overviewRulerColor: new vscode.ThemeColor('lmTransparency.selectedTokenBorder'),
    overviewRulerLane: vscode.OverviewRulerLane.Center,
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
  });
  readonly #ink = new HeatInk(() => this.#drawAll());
  readonly #listening: vscode.Disposable;

  constructor() {
    this.#listening = vscode.Disposable.from(
      this.#style,
      this.#ink,
      vscode.workspace.onDidChangeTextDocument((event) => this.#onEdit(event)),
      vscode.window.onDidChangeTextEditorSelection((event) => this.#onCursor(event.textEditor)),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#drawAll()),
    );
  }

  /** Links a panel's analysis to the text it came from, if that text is still there. */
  link(panel: MarkedPanel): void {
    const { shown } = panel;
    if (!shown) return this.unlink(panel);
    const { uri, place } = shown;
    // the marks in the document that it showed before
    if (this.#linked.get(panel)?.uri !== uri) this.unlink(panel);
    this.#linked.set(panel, { panel, uri, place, link: null, selected: null, masses: null, cursor: null });
    this.#relink(uri);
  }

  unlink(panel: MarkedPanel): void {
    const linked = this.#linked.get(panel);
    if (!linked || !this.#linked.delete(panel)) return;
    this.#drawAll();
    this.heated.fire(linked.uri);
  }

  /** Marks a token of the panel's prompt; null marks none. */
  select(panel: MarkedPanel, position: number | null): void {
    const linked = this.#linked.get(panel);
    if (!linked) return;
    linked.selected = position;
    this.#draw(linked.uri);
    const range = position === null ? null : linked.link?.rangeOf(position);
    for (const editor of range ? editorsOf(linked.uri) : []) {
      if (range)
        editor.revealRange(rangeIn(editor.document, range), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    }
  }

  /** Shows how much of the flow arrives at each token of the panel's prompt; null shows none. */
  heat(panel: MarkedPanel, masses: readonly number[] | null): void {
    const linked = this.#linked.get(panel);
    if (!linked || (linked.masses === null && masses === null)) return;
    linked.masses = masses;
    this.#draw(linked.uri);
    this.heated.fire(linked.uri);
  }

  /** Whether a panel's flow is shown on the text. */
  isHeated(panel: MarkedPanel): boolean {
    return (this.#linked.get(panel)?.masses ?? null) !== null;
  }

  /** The flow shown on a document's text: its target, its model and the largest share; null if there is none. */
  flowIn(uri: string): { target: string; model: string; most: number } | null {
    for (const { link, masses, panel } of this.#of(uri)) {
      if (!link || !masses) continue;
      const here = masses.filter((_, position) => link.rangeOf(position));
      const model = panel.shown?.heading.modelName ?? '';
      return { target: targetOf(panel), model, most: here.reduce((most, mass) => Math.max(most, mass), 0) };
    }
    return null;
  }

  /** Redraws after the panel's target changed: the heat's hover names it. */
  redraw(panel: MarkedPanel): void {
    const linked = this.#linked.get(panel);
    if (!linked?.masses) return;
    this.#draw(linked.uri);
    this.heated.fire(linked.uri);
  }

  /** Links all panels again: a document may just have been opened. */
  relinkAll(): void {
    for (const uri of new Set([...this.#linked.values()].map((linked) => linked.uri))) this.#relink(uri);
  }

  dispose(): void {
    this.#listening.dispose();
    this.#linked.clear();
  }

  #relink(uri: string): void {
    const document = vscode.workspace.textDocuments.find((open) => open.uri.toString() === uri);
    for (const linked of this.#of(uri)) {
      const { place } = linked;
      linked.link = document && place && stands(place, document.getText()) ? linkOf(linked, place) : null;
    }
    this.#show(uri);
  }

  #show(uri: string): void {
    this.#draw(uri);
    this.heated.fire(uri);
    for (const editor of editorsOf(uri)) this.#onCursor(editor);
  }

  #onEdit(event: vscode.TextDocumentChangeEvent): void {
    const uri = event.document.uri.toString();
    if (event.contentChanges.length === 0 || this.#of(uri).length === 0) return;
    for (const linked of this.#of(uri)) {
      // changes come last first, so that their offsets stay valid
      linked.place = event.contentChanges.reduce<Place | null>(
        (before, change) =>
          before &&
          moved(before, { offset: change.rangeOffset, removed: change.rangeLength, inserted: change.text.length }),
        linked.place,
      );
      if (linked.place) {
        linked.link &&= linkOf(linked, linked.place);
      } else {
        linked.link = null;
        linked.selected = null;
        linked.masses = null;
        this.#tell(linked, null);
      }
    }
    this.#show(uri);
  }

  #onCursor(editor: vscode.TextEditor): void {
    for (const linked of this.#of(editor.document.uri.toString())) {
      if (!linked.link) continue;
      this.#tell(linked, linked.link.tokenAt(editor.document.offsetAt(editor.selection.active)));
    }
  }

  #tell(linked: Linked, position: number | null): void {
    if (linked.cursor === position) return;
    linked.cursor = position;
    linked.panel.showCursor(position);
  }

  #drawAll(): void {
    for (const editor of vscode.window.visibleTextEditors) this.#drawIn(editor);
  }

  #draw(uri: string): void {
    for (const editor of editorsOf(uri)) this.#drawIn(editor);
  }

  #drawIn(editor: vscode.TextEditor): void {
    const linked = this.#of(editor.document.uri.toString());
    const ranges = linked.flatMap(({ link, selected }) => {
      const range = selected === null ? null : link?.rangeOf(selected);
      return range ? [rangeIn(editor.document, range)] : [];
    });
    editor.setDecorations(this.#style, ranges);
    const heat = linked.flatMap(({ link, masses, panel }) => {
      return link && masses
        ? flowHeat(masses, targetOf(panel), panel.shown?.heading.modelName ?? '', (at) => link.rangeOf(at))
        : [];
    });
    this.#ink.draw(editor, heat);
  }

  #of(uri: string): Linked[] {
    return [...this.#linked.values()].filter((linked) => linked.uri === uri);
  }
}

function linkOf({ panel }: Linked, place: Place): PromptLink {
  return new PromptLink(place, panel.shown?.heading.tokens ?? []);
}

function editorsOf(uri: string): vscode.TextEditor[] {
  return vscode.window.visibleTextEditors.filter((editor) => editor.document.uri.toString() === uri);
}

function rangeIn(document: vscode.TextDocument, range: { start: number; end: number }): vscode.Range {
  return new vscode.Range(document.positionAt(range.start), document.positionAt(range.end));
}

/** The text of the token whose prediction the panel explains: the model's own target unless another was chosen. */
function targetOf({ shown, view }: MarkedPanel): string {
  const heading = shown?.heading;
  return heading?.tokens[view?.target ?? heading.target]?.text ?? '';
}
