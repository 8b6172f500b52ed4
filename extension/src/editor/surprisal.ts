import * as vscode from 'vscode';
import type { SurprisalResult } from '../../shared/protocol';
import { isCancelled, toFailure } from '../failure';
import { type Cancel, CancelSource } from '../cancel';
import { isPromptLanguage } from '../languages';
import { Signal } from '../signal';
import { surprisalHeat } from './heat';
import { HeatInk } from './heatInk';

/** Requests the surprisal of the prompt at an offset of a document. */
export type AskSurprisal = (document: vscode.TextDocument, start: number, cancel: Cancel) => Promise<SurprisalResult>;

const REST_MS = 400;

/** `unknown`: the last question failed, and typing asks again. */
export type SurprisalShown = { state: 'known'; model: string; most: number } | { state: 'computing' | 'unknown' };

interface Shown {
  document: vscode.TextDocument;
  /** An offset in the prompt. */
  start: number;
  /** Null until the first answer, and after a question that failed. */
  found: SurprisalResult | null;
  isAsking: boolean;
  timer?: NodeJS.Timeout;
  asking?: CancelSource;
}

/** Surprisal as heat on one prompt per document. It follows typing, debounced; the latest request wins. */
export class Surprisal implements vscode.Disposable {
  /** The surprisal shown in a document has changed. */
  readonly changed = new Signal<string>();
  readonly #shown = new Map<string, Shown>();
  readonly #ink = new HeatInk(() => this.#drawAll());
  readonly #listening: vscode.Disposable;

  constructor(
    private readonly ask: AskSurprisal,
    private readonly log: (line: string) => void,
  ) {
    this.#listening = vscode.Disposable.from(
      this.#ink,
      vscode.workspace.onDidChangeTextDocument((event) => this.#onEdit(event)),
      vscode.workspace.onDidCloseTextDocument((document) => this.hide(document.uri.toString())),
      vscode.window.onDidChangeVisibleTextEditors(() => this.#drawAll()),
    );
  }

  /** Shows the surprisal of the prompt at an offset. Rejects with a `Failure` if there is none. */
  async show(document: vscode.TextDocument, start: number, cancel?: Cancel): Promise<void> {
    const uri = document.uri.toString();
    this.hide(uri);
    const shown: Shown = { document, start, found: null, isAsking: true };
    this.#shown.set(uri, shown);
    try {
      await this.#fetch(shown, cancel);
    } catch (error) {
      if (this.#shown.get(uri) === shown) this.hide(uri);
      throw toFailure(error);
    }
  }

  hide(uri: string): void {
    const shown = this.#shown.get(uri);
    if (!shown || !this.#shown.delete(uri)) return;
    clearTimeout(shown.timer);
    shown.asking?.cancel();
    this.#draw(uri);
  }

  /** The surprisal shown in a document: its model and the largest value; null if none is shown. */
  shownIn(uri: string): SurprisalShown | null {
    const shown = this.#shown.get(uri);
    if (!shown) return null;
    if (!shown.found) return { state: shown.isAsking ? 'computing' : 'unknown' };
    const most = shown.found.surprisal.reduce<number>((largest, bits) => Math.max(largest, bits ?? 0), 0);
    return { state: 'known', model: shown.found.model, most };
  }

  dispose(): void {
    this.#listening.dispose();
    for (const uri of [...this.#shown.keys()]) this.hide(uri);
  }

  async #fetch(shown: Shown, cancel?: Cancel): Promise<void> {
    shown.asking?.cancel();
    const asking = new CancelSource(cancel);
    shown.asking = asking;
    shown.isAsking = true;
    const uri = shown.document.uri.toString();
    if (!shown.found) this.changed.fire(uri);
    const found = await this.ask(shown.document, shown.start, asking.token);
    if (asking.token.isCancellationRequested || this.#shown.get(uri) !== shown) return;
    shown.found = found;
    shown.isAsking = false;
    this.#draw(uri);
  }

  #onEdit({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const shown = this.#shown.get(document.uri.toString());
    if (!shown || contentChanges.length === 0) return;
    for (const { rangeOffset, rangeLength, text } of contentChanges)
      if (rangeOffset < shown.start) shown.start = Math.max(rangeOffset, shown.start + text.length - rangeLength);
    shown.asking?.cancel();
    clearTimeout(shown.timer);
    // VS Code moves decorations along until they are drawn again
    shown.timer = setTimeout(() => {
      this.#fetch(shown).catch((error: unknown) => {
        if (isCancelled(toFailure(error))) return;
        this.log(`no surprisal: ${toFailure(error).message}`);
        shown.found = null;
        shown.isAsking = false;
        this.#draw(document.uri.toString());
      });
    }, REST_MS);
  }

  #drawAll(): void {
    for (const uri of this.#shown.keys()) this.#draw(uri);
  }

  #draw(uri: string): void {
    const found = this.#shown.get(uri)?.found;
    const heat = found ? surprisalHeat(found) : [];
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document.uri.toString() !== uri) continue;
      // the server's own hovers include this
      const isTold = isPromptLanguage(editor.document.languageId);
      this.#ink.draw(editor, isTold ? heat.map((warmth) => ({ ...warmth, words: '' })) : heat);
    }
    this.changed.fire(uri);
  }
}
