import * as vscode from 'vscode';
import type { Appearance, PlainLensResult, PromptSettings } from '../../shared/protocol';
import type {
  Answer,
  Filling,
  Fitting,
  Notice,
  PanelAction,
  PanelLayout,
  Question,
  SaveFormat,
  ToWebview,
  ViewState,
} from '../../shared/webview';
import type { Progress } from '../link/connection';
import { type Cancel, CancelSource } from '../cancel';
import { Failure, toFailure } from '../failure';
import { failureMessage, LABELS } from './failureMessage';
import { panelHtml } from './html';
import { readMessage, readView } from './messages';
import { bufferOf, readHeading, type Heading } from './payload';
import type { StoredResult } from './resultStore';
import { carriedOver, type Comparison, tabTitle } from './kept';

/** An analysis shown in a panel, with the part that the editor needs. */
export interface Shown extends StoredResult {
  heading: Heading;
}

type Over = Extract<ToWebview, { type: 'updating' | 'failure' }>;

/** What a panel tells the rest of the extension. */
export interface PanelEvents {
  ask(panel: Panel, question: Question, cancel: Cancel, onProgress: (progress: Progress) => void): Promise<Answer>;
  told(panel: Panel, notice: Notice): void;
  shown(panel: Panel): void;
  /** Another token is the target. */
  aimed(panel: Panel): void;
  /** How many drawn edges the page may have measured by itself. */
  measured(panel: Panel): number;
  /** The lens of its model that is being fitted. */
  fitting(panel: Panel): Fitting | null;
  disposed(panel: Panel): void;
  ignored(message: unknown): void;
}

/**
 * The host of one webview. It holds what is to be shown and sends it at every `ready`: VS Code discards a hidden webview,
 * and a reload starts it over.
 */
export class Panel {
  shown: Shown | null = null;
  /** The view that the webview asked to remember. */
  view: ViewState | null = null;
  /** The previous view of a prompt that is being edited. */
  #lastView: ViewState | null = null;
  /** How the user arranged the panel before this one. */
  layout: PanelLayout | null = null;
  #state: ToWebview | null = null;
  /** The message over the shown analysis: another one is coming, or why there is none. */
  #over: Over | null = null;
  /** The analysis that a refusal stands in place of. */
  #before: ToWebview | null = null;
  #filling: Filling | null = null;
  #offers = false;
  #offline: string | null = null;
  #saidOffline: string | null = null;
  /** The title of the document that is to be shown next. */
  #next = '';
  #loaded: CancelSource | null = null;
  /** A command for a page that is still on its way. */
  #pending: ToWebview | null = null;
  readonly #questions = new Map<number, CancelSource>();

  constructor(
    readonly webviewPanel: vscode.WebviewPanel,
    /** The document it belongs to; null in a restored panel whose document is unknown. */
    public uri: vscode.Uri | null,
    dist: vscode.Uri,
    private readonly events: PanelEvents,
    /** Where it is shown beside another analysis: by which model, where one was named. Null in a document's own panel. */
    public comparison: Comparison | null = null,
  ) {
    const { webview } = webviewPanel;
    webview.options = { enableScripts: true, localResourceRoots: [dist] };
    webview.onDidReceiveMessage((message: unknown) => this.#receive(message));
    webviewPanel.onDidDispose(() => {
      this.#loaded?.cancel();
      events.disposed(this);
    });
    const address = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(dist, name)).toString();
    webview.html = panelHtml({ cspSource: webview.cspSource, script: address('main.js'), style: address('main.css') });
  }

  /** Takes another document, which may be of another name; the analysis before stays until there is one of it. */
  begin(uri: vscode.Uri, title: string): void {
    this.uri = uri;
    this.#next = title;
    if (this.#state?.type !== 'analysis') this.webviewPanel.title = tabTitle(title, this.comparison);
  }

  /** The shown analysis is the one that is meant again. */
  #goBack(): void {
    if (this.shown) this.uri = vscode.Uri.parse(this.shown.uri, true);
  }

  /** The analysis before stays until there is another: cancelling leads back to it. */
  showProgress(message: string, fraction: number | null): void {
    if (this.#state?.type !== 'analysis') return this.#show({ type: 'progress', message, fraction });
    this.#stopFilling();
    this.#sayOver({ type: 'updating', message, fraction, action: { action: 'cancel', label: LABELS.cancel } });
  }

  /** Shown as the panel's state, or over the current analysis. */
  showFailure(error: unknown): void {
    const message = failureMessage(toFailure(error));
    if (this.#state?.type !== 'analysis') return this.#show(message);
    const { action, label } = { action: 'dismiss', label: LABELS.dismiss } as const;
    this.#sayOver({ ...message, actions: [...message.actions, { action, label }] });
  }

  /**
   * Shows that a model is refused, with its lens or what is done for it. The analysis before is there again when the
   * message is dismissed. `lens`: null where there is none.
   */
  showRefused(error: unknown, lens: PlainLensResult | string | null): void {
    const message = failureMessage(toFailure(error));
    if (this.#state?.type === 'analysis') this.#before = this.#state;
    this.#stopFilling();
    const actions = this.#before ? [...message.actions, BACK] : message.actions;
    this.#show({ ...message, actions, ...(lens !== null && { lens }) });
  }

  /** Shows the analysis of before the refusal. */
  #restore(): void {
    const before = this.#before;
    if (before?.type !== 'analysis') return;
    this.#goBack();
    const view = this.view ?? before.view;
    this.#show({ ...before, view, effects: this.shown?.effects ?? null, measured: this.events.measured(this) });
  }

  /** Shows an analysis; a new one keeps the last one's slider and switches unless its file sets them. */
  showResult(result: StoredResult, given: Partial<ViewState> | null = null): void {
    // the rest of the shown analysis moves nothing
    const known = this.shown?.runId === result.runId ? this.view : null;
    this.#showAnalysis(result, given ?? known ?? this.#viewFor(result.settings), false);
  }

  #showAnalysis(result: StoredResult, view: Partial<ViewState> | null, edited: boolean): void {
    const { runId, title, settings } = result;
    const heading = readHeading(result.payload);
    // an edited prompt's view is known once the page says it; until then the one before it goes on
    this.#lastView = edited ? (this.view ?? this.#lastView) : null;
    if (this.shown?.runId !== runId) this.#filling = null;
    const effects = result.effects ?? (this.shown?.runId === runId ? this.shown.effects : null);
    this.shown = { ...result, heading, effects };
    this.view = view?.runId === runId ? readView(view) : null;
    this.webviewPanel.title = tabTitle(title, this.comparison, heading.modelName);
    const about = { target: settings.target, contrast: settings.contrast };
    const payload = bufferOf(result.payload);
    const measured = this.events.measured(this);
    this.#show({ type: 'analysis', runId, title, payload, view, edited, about, effects, measured });
    this.events.shown(this);
  }

  /** Shows the analysis of an edited prompt: the view stays. */
  showEdited(result: StoredResult): void {
    if (this.shown && this.shown.uri !== result.uri) return this.showResult(result);
    this.#showAnalysis(result, this.#setAnew(result.settings), true);
  }

  /** Says over the graph that another one is coming, or why not yet. */
  showUpdating(message: string | null, action?: { action: PanelAction; label: string }): void {
    this.#sayOver({ type: 'updating', message, ...(action && { action }) });
    this.#offers = action !== undefined;
  }

  /** Removes the message over the analysis. */
  dismiss(): void {
    if (this.#state?.type === 'failure') return this.#restore();
    if (this.#over?.type !== 'failure') return;
    this.#goBack();
    this.showUpdating(null);
  }

  /** Whether the message over the graph offers an action: then it stays until there is news. */
  get offersAction(): boolean {
    return this.#offers;
  }

  /** Goes back to the analysis that was shown before; false when there was none. */
  showLastResult(): boolean {
    if (this.#before) this.#restore();
    if (this.#state?.type !== 'analysis') return false;
    this.#goBack();
    this.showUpdating(null);
    return true;
  }

  /** Marks the shown analysis as no longer filling in. */
  #stopFilling(): void {
    if (this.#filling?.going) this.showFilling({ going: false, message: '', fraction: null });
  }

  /** Shows whether the backend is available; only beside an analysis, since a failure says it itself. */
  showOffline(offline: boolean, message: string): void {
    this.#offline = offline ? message : null;
    this.#postOffline();
  }

  /** The progress of the shown analysis' remaining rows; null once it is complete. */
  showFilling(filling: Filling | null): void {
    if (filling === null && this.#filling === null) return;
    this.#filling = filling;
    this.#post({ type: 'filling', filling });
  }

  /** Whether an analysis for it is under way. */
  get isAwaiting(): boolean {
    const isUpdating = this.#over?.type === 'updating' && !this.#offers;
    return this.#state?.type === 'progress' || isUpdating || this.#filling?.going === true;
  }

  /** Whether the shown analysis still lacks rows. */
  get isFilling(): boolean {
    return this.#filling !== null;
  }

  /** Tells the page how much it may have measured, if that has changed. */
  showMeasured(): void {
    if (this.#state?.type !== 'analysis') return;
    const measured = this.events.measured(this);
    if (measured === this.#state.measured) return;
    this.#state = { ...this.#state, measured };
    this.#post({ type: 'measured', measured });
  }

  showFitting(): void {
    this.#post({ type: 'fitting', fitting: this.events.fitting(this) });
  }

  showCursor(position: number | null): void {
    this.#post({ type: 'cursor', position });
  }

  /** Asks the page to save what it shows, once the page is ready. */
  export(format: SaveFormat | 'figure', appearance: Appearance): void {
    const message = { type: 'export', format, appearance } as const;
    if (this.#loaded && this.webviewPanel.visible) return this.#post(message);
    this.#pending = message;
    this.webviewPanel.reveal(this.webviewPanel.viewColumn, true);
  }

  /** Opens the box for another token, with the keyboard in it. */
  whyNot(): void {
    const isThere = this.#loaded && this.webviewPanel.visible;
    if (!isThere) this.#pending = { type: 'whyNot' };
    this.webviewPanel.reveal(this.webviewPanel.viewColumn, false);
    if (isThere) this.#post({ type: 'whyNot' });
  }

  /** Asks the page to show or hide heat; a hidden page keeps its state. */
  showHeat(shown: boolean): void {
    this.#post({ type: 'showHeat', shown });
  }

  /** Brings it to the front, of another column where one is given; the focus stays. */
  reveal(column?: vscode.ViewColumn): void {
    const { viewColumn, visible } = this.webviewPanel;
    if (column !== undefined || !visible) this.webviewPanel.reveal(column ?? viewColumn, true);
  }

  #viewFor(set: PromptSettings): Partial<ViewState> | null {
    const last = this.view ?? this.#lastView;
    const view = { ...(this.layout && { layout: this.layout }), ...(last && carriedOver(last)), ...this.#setAnew(set) };
    return Object.keys(view).length > 0 ? view : null;
  }

  /** The view settings that the prompt's file has changed. */
  #setAnew(set: PromptSettings): Partial<ViewState> {
    const before = this.shown?.settings ?? NOTHING_SET;
    return {
      ...(set.threshold !== before.threshold && { threshold: set.threshold ?? 'auto' }),
      ...(set.renormalize !== before.renormalize && { renormalize: set.renormalize ?? true }),
    };
  }

  #show(state: ToWebview): void {
    this.#state = state;
    this.#over = null;
    if (state.type === 'analysis') this.#before = null;
    this.#offers = false;
    this.#post(state);
    this.#postOffline();
    if (state.type !== 'analysis') this.#filling = null;
  }

  #sayOver(message: Over): void {
    if (message.message !== null) message = { ...message, message: this.#ofNext(message.message) };
    this.#over = message.type === 'updating' && message.message === null ? null : message;
    this.#offers = false;
    this.#post(message);
    this.#postOffline();
  }

  /** Names the document that a message is about, where it is not the one below. */
  #ofNext(words: string): string {
    const isOfOther = this.shown && this.uri && this.shown.uri !== this.uri.toString();
    return isOfOther && this.#next ? `${this.#next}: ${words}` : words;
  }

  #postOffline(): void {
    const isAside = this.#state?.type === 'analysis' && this.#over?.type !== 'failure';
    const message = isAside ? this.#offline : null;
    if (message === this.#saidOffline || !this.#loaded) return;
    this.#saidOffline = message;
    this.#post({ type: 'offline', offline: message !== null, message: message ?? '' });
  }

  #post(message: ToWebview): void {
    if (this.#loaded) void this.webviewPanel.webview.postMessage(message);
  }

  #receive(raw: unknown): void {
    const message = readMessage(raw);
    if (message === null) return this.events.ignored(raw);
    switch (message.type) {
      case 'ready':
        return this.#onReady();
      case 'ask':
        return void this.#answer(message.id, message.question);
      case 'giveUp':
        return this.#questions.get(message.id)?.cancel();
      case 'remember':
        return this.#remember(message.view);
      case 'effects':
        if (message.runId !== this.shown?.runId) return;
        this.shown.effects = message.effects;
        return this.events.told(this, message);
      default:
        return this.events.told(this, message);
    }
  }

  #remember(view: ViewState): void {
    if (view.runId !== this.shown?.runId) return;
    const isAimed = view.target !== this.view?.target;
    this.view = view;
    if (isAimed) this.events.aimed(this);
  }

  #onReady(): void {
    // answers to a page that went away must not reach its successor
    this.#loaded?.cancel();
    this.#questions.clear();
    this.#loaded = new CancelSource();
    if (this.#state?.type === 'analysis') {
      const kept = this.#lastView && { ...carriedOver(this.#lastView), ...this.#state.view };
      const view = this.view ?? kept ?? this.#state.view;
      const effects = this.shown?.effects ?? null;
      this.#state = { ...this.#state, view, effects, measured: this.events.measured(this) };
    }
    if (this.#state) this.#post(this.#state);
    this.#saidOffline = null;
    this.#postOffline();
    if (this.#filling) this.#post({ type: 'filling', filling: this.#filling });
    if (this.#over) this.#post(this.#over);
    if (this.#state?.type !== 'analysis') return;
    this.events.shown(this);
    if (this.#pending) this.#post(this.#pending);
    this.#pending = null;
  }

  async #answer(id: number, question: Question): Promise<void> {
    const page = this.#loaded;
    if (!page || this.#questions.has(id)) return;
    const asked = new CancelSource(page.token);
    this.#questions.set(id, asked);
    const say = (message: ToWebview) => {
      if (!asked.token.isCancellationRequested) this.#post(message);
    };
    try {
      const onProgress = (progress: Progress) => say({ type: 'asking', id, ...progress });
      const answer = await this.events.ask(this, question, asked.token, onProgress);
      say({ type: 'answer', id, answer, error: null });
    } catch (error) {
      const { message, remedy } = error instanceof Failure ? error : toFailure(error);
      say({ type: 'answer', id, answer: null, error: [message, remedy].filter(Boolean).join(' ') });
    } finally {
      asked.dispose();
      if (this.#questions.get(id) === asked) this.#questions.delete(id);
    }
  }
}

const BACK = { action: 'dismiss', label: 'Back to the Graph' } as const;
const NOTHING_SET = { threshold: null, renormalize: null };
