import path from 'node:path';
import type * as vscode from 'vscode';
import type { Answer, Question } from '../../shared/webview';
import { ANALYZE } from '../../shared/protocol';
import type { Backend } from '../backend/backend';
import type { Progress } from '../link/connection';
import { Failure, isCancelled, toFailure } from '../failure';
import { type Cancel, CancelSource } from '../cancel';
import { orCancelled } from '../backend/session';
import { CostQuestions } from './costQuestion';
import type { ModelChoice } from '../models/modelChoice';
import { NOTHING_SET, promptAt } from '../prompts/ask';
import { Signal } from '../signal';
import { modelInWords } from '../words';
import { askedBy, meansTheSame } from './asked';
import { LiveRuns } from './liveRuns';
import type { Panel } from './panel';
import type { Panels } from './panels';
import { payloadBytes, runIdOf } from './payload';
import { RefusedModels } from './refusedModels';
import type { Asked, ResultStore, StoredResult } from './resultStore';

/** What follows typing is kept when the hands rest. */
const REST_MS = 2000;
/** What goes away by typing on. */
const UNFINISHED = new Set<string>(['invalidPrompt', 'promptTooLong']);

const ANALYZE_ONCE = { action: 'analyze', label: 'Analyze Once' } as const;

const EXPIRED = 'The backend no longer holds this analysis; whatever you open next brings it back.';

/** An analysis that is under way. */
export interface Job {
  uri: string;
  title: string;
  panel: Panel;
  message: string;
  /** The graph of its target is shown, and the rest is being computed. */
  begun: boolean;
  /** The panel has been told that it is being updated. */
  said?: boolean;
  cancel(): void;
  /** How it was requested, and how it would be requested now; null for a repeated request. */
  asked: Asked | null;
  askedNow: (() => Asked) | null;
  /** The prompt, once it is known. */
  chosen?: Chosen;
  /** Begins again: something else was chosen. */
  renew(): void;
  /** It follows typing: the previous graph stays until this one is ready. */
  follows: boolean;
}

/** A document and what is selected in it. */
export interface Subject {
  document: vscode.TextDocument;
  selection: vscode.Selection | null;
  /** Shown beside the document's own panel; by this model, where one is named. */
  comparison?: { source: string | null };
}

/** A prompt, how it is requested, and its place in the document. */
export interface Chosen extends Pick<StoredResult, 'asked' | 'place' | 'settings' | 'isComparison'> {
  prompt: string;
}

/** How a run that follows a document ended. `costly`: it was not begun, for it would take too long to follow a text. */
export type Outcome = 'shown' | 'superseded' | 'refused' | 'costly' | 'failed';

/** What an analysis depends on besides its prompt. */
export type Choice = Pick<ModelChoice, 'settingsFor' | 'pending' | 'changed'>;

type Choose = (job: Job, cancel: Cancel) => Promise<Chosen>;

/** Runs analyses, one a panel: a newer request ends the older one. Answers the panels' questions about them. */
export class Analyses {
  readonly changed = new Signal<readonly Job[]>();
  /** An analysis failed, and the panel says why. */
  readonly failed = new Signal<{ panel: Panel; failure: Failure }>();
  /** An analysis is finished and shown. */
  readonly finished = new Signal<StoredResult>();
  readonly #jobs = new Map<Panel, Job>();
  readonly #live: LiveRuns;
  #resting: NodeJS.Timeout | undefined;
  readonly #costs = new CostQuestions();
  readonly #refused: RefusedModels;

  constructor(
    private readonly backend: Backend,
    private readonly panels: () => Panels,
    private readonly store: ResultStore,
    private readonly choice: Choice,
    private readonly log: (line: string) => void,
  ) {
    this.#live = new LiveRuns(backend, log);
    this.#refused = new RefusedModels(backend, log);
    choice.changed.listen(() => {
      for (const job of this.jobs) if (isOutdated(job)) job.renew();
    });
  }

  get jobs(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** Analyzes the prompt of a document and shows it in the document's panel. Never rejects. */
  async run(subject: Subject): Promise<void> {
    await this.#runFor(subject, false);
  }

  /** Like `run`, for a prompt that is being typed: the view stays, and nothing covers the previous graph. */
  follow(subject: Subject): Promise<Outcome> {
    return this.#runFor(subject, true);
  }

  #runFor(subject: Subject, follows: boolean): Promise<Outcome> {
    const { uri } = subject.document;
    const title = path.posix.basename(uri.path) || 'Untitled';
    const panel = this.panels().open(uri, title, subject.comparison ?? null);
    return this.#run(uri, title, panel, (job, cancel) => this.#choose(subject, job, cancel), follows);
  }

  /** Analyzes a prompt with its earlier request, wherever it is now. Never rejects. */
  async runAgain(uri: vscode.Uri, title: string, chosen: Chosen): Promise<void> {
    await this.#run(uri, title, this.panels().open(uri, title), () => Promise.resolve(chosen), false);
  }

  async #run(uri: vscode.Uri, title: string, panel: Panel, choose: Choose, follows: boolean): Promise<Outcome> {
    this.#jobs.get(panel)?.cancel();
    this.#refused.end(panel);
    const source = new CancelSource();
    const job: Job = {
      ...{ uri: uri.toString(), title, panel, message: 'Preparing', follows, begun: false },
      ...{ cancel: () => source.cancel(), asked: null, askedNow: null, renew: () => undefined },
    };
    this.#jobs.set(panel, job);
    this.#say(job, job.message, null);
    try {
      const result = await this.#untilWanted(job, choose, source.token);
      if (this.#jobs.get(panel) !== job) return 'superseded';
      this.#live.put(result.runId);
      if (follows && !job.begun) panel.showEdited(result);
      else panel.showResult(result);
      panel.showFilling(null);
      this.#keep(panel, result, follows);
      return 'shown';
    } catch (error) {
      if (this.#jobs.get(panel) !== job) return 'superseded';
      return this.#onFailure(job, toFailure(error));
    } finally {
      source.dispose();
      if (this.#jobs.get(panel) === job) this.#jobs.delete(panel);
      this.changed.fire(this.jobs);
    }
  }

  /** The analysis with the final choice: it starts again if another choice is made meanwhile. */
  async #untilWanted(job: Job, choose: Choose, cancel: Cancel): Promise<StoredResult> {
    for (;;) {
      const attempt = new CancelSource(cancel);
      let isRenewed = false;
      job.renew = () => {
        isRenewed = true;
        attempt.cancel();
      };
      try {
        const { token } = attempt;
        const analysis = choose(job, token).then((chosen) => this.#analyze((job.chosen = chosen), job, token));
        analysis.catch(() => undefined);
        const result = await orCancelled(analysis, token);
        if (!isRenewed) return result;
      } catch (error) {
        if (!isRenewed || cancel.isCancellationRequested) throw error;
      } finally {
        attempt.dispose();
      }
      Object.assign(job, { begun: false, said: false });
      this.#say(job, 'Preparing', null);
    }
  }

  // one file for what was typed, and not one for each key
  #keep(panel: Panel, result: StoredResult, follows: boolean): void {
    clearTimeout(this.#resting);
    const keep = (): void => {
      const effects = panel.shown?.runId === result.runId ? panel.shown.effects : null;
      this.store
        .put({ ...result, effects })
        .catch((error: unknown) => this.log(`the result could not be stored: ${String(error)}`));
      this.finished.fire(result);
    };
    if (follows) this.#resting = setTimeout(keep, REST_MS);
    else keep();
  }

  /** Ends what runs for this panel, or everything. */
  cancel(panel?: Panel): void {
    for (const job of this.jobs) if (!panel || job.panel === panel) job.cancel();
    this.#refused.end(panel);
  }

  /**
   * How many drawn edges a panel may have measured by itself. None of a run that this window's backend has not had: a
   * panel that comes back with the window loads no model.
   */
  measured({ shown, uri }: Panel): number {
    const isAtHand = shown && this.#live.isAtHand(shown.runId);
    return isAtHand ? this.choice.settingsFor(uri ?? undefined).measuredEdges : 0;
  }

  /**
   * Answers a panel's question, analyzing again if the backend has forgotten the run. It has where its model was unloaded
   * or made room for another: what a panel measures by itself does not bring it back.
   */
  async ask(
    panel: Panel,
    { method, params }: Question,
    cancel: Cancel,
    onProgress: (progress: Progress) => void,
  ): Promise<Answer> {
    const { shown } = panel;
    if (shown?.runId !== params.runId) throw new Failure('runExpired', 'This analysis is no longer shown.');
    for (let attempt = 1; ; attempt += 1) {
      const live = await this.#live.find(shown, cancel, onProgress);
      const asked = { ...params, runId: await live.runId };
      panel.showMeasured();
      try {
        const options = { cancel, onProgress };
        return (await this.backend.request(method, asked, options)) as Answer;
      } catch (error) {
        if (toFailure(error).kind !== 'runExpired') throw error;
        this.#live.forget(shown, live);
        if (attempt > 1) throw error;
        if ('behind' in params && params.behind) {
          panel.showMeasured();
          throw new Failure('runExpired', EXPIRED);
        }
      }
    }
  }

  async #choose({ document, selection, comparison }: Subject, job: Job, cancel: Cancel): Promise<Chosen> {
    const { uri } = document;
    const { pending } = this.choice;
    const settings = this.choice.settingsFor(uri);
    const by = (file = NOTHING_SET) => {
      const asks = (now: typeof settings) => askedBy(now, file, comparison?.source ?? file.model);
      job.askedNow = () => asks(this.choice.settingsFor(uri));
      return (job.asked = asks(settings));
    };
    by();
    const onProgress = ({ message, fraction }: Progress) => {
      if (!cancel.isCancellationRequested) this.#say(job, message, fraction);
    };
    const { text, place, settings: file, chat } = await promptAt(this.backend, document, selection, cancel, onProgress);
    const asked = by(file);
    if (pending && asked.source === pending.chosen.source) {
      this.#say(job, `Loading ${modelInWords(pending.chosen.source)}`, null);
      await pending.loaded;
    }
    const isComparison = comparison !== undefined;
    return { prompt: text, asked: { ...asked, chat }, place, settings: file, isComparison };
  }

  async #analyze({ prompt, ...chosen }: Chosen, job: Job, cancel: Cancel): Promise<StoredResult> {
    const read = (reply: unknown): StoredResult => {
      const { uri, title } = job;
      return { runId: runIdOf(reply), uri, title, ...chosen, payload: payloadBytes(reply), effects: null };
    };
    const options = {
      cancel,
      onProgress: ({ message, fraction }: Progress) => {
        if (!cancel.isCancellationRequested) this.#say(job, message, fraction);
      },
      onPartial: (first: unknown) => {
        if (!cancel.isCancellationRequested) this.#begin(job, first, read);
      },
    };
    // a notification hides after a while, and waits behind the bell
    const waiting = (question: string) =>
      this.#say(job, `${question} Answer in the notification: run or cancel.`, null, 'waiting for your answer');
    const limits = this.choice.settingsFor(job.panel.uri ?? undefined);
    const reply = await this.#costs.send(job, limits, cancel, waiting, (costs) =>
      this.backend.request(ANALYZE, { prompt, ...chosen.asked, ...costs, live: job.follows }, options),
    );
    return read(reply);
  }

  /** Shows the target's graph; any fault will be reported by the whole result. */
  #begin(job: Job, first: unknown, read: (reply: unknown) => StoredResult): void {
    if (this.#jobs.get(job.panel) !== job) return;
    try {
      const result = read(first);
      this.#live.put(result.runId);
      if (job.follows) job.panel.showEdited(result);
      else job.panel.showResult(result);
      job.begun = true;
      job.panel.showFilling({ going: true, message: job.message, fraction: null });
    } catch (error) {
      this.log(`a first graph could not be shown: ${String(error)}`);
    }
  }

  /** `brief`: what the status bar has room for. */
  #say(job: Job, message: string, fraction: number | null, brief = message): void {
    if (this.#jobs.get(job.panel) !== job) return;
    const said = message || job.message;
    job.message = brief || job.message;
    if (job.begun) job.panel.showFilling({ going: true, message: said, fraction });
    else if (job.follows && job.panel.offersAction) return;
    else if (job.follows && job.panel.shown) this.#sayUpdating(job);
    else job.panel.showProgress(said, fraction);
    this.changed.fire(this.jobs);
  }

  // once: how far it is would be a message a layer, at each key
  #sayUpdating(job: Job): void {
    if (!job.said) job.panel.showUpdating('Updating');
    job.said = true;
  }

  #onFailure({ panel, begun, follows, chosen }: Job, failure: Failure): Outcome {
    // the graph of the target stays, and any other token's is computed when it is asked for
    if (begun)
      panel.showFilling({ going: false, message: isCancelled(failure) ? '' : failure.message, fraction: null });
    if (follows && !begun && panel.shown && (isCancelled(failure) || UNFINISHED.has(failure.kind))) {
      panel.showUpdating(isCancelled(failure) ? null : failure.message);
      return 'refused';
    }
    if (follows && !begun && failure.kind === 'costly') {
      const message = `Too long to follow as you type: ${failure.message}`;
      if (panel.shown) panel.showUpdating(message, ANALYZE_ONCE);
      else panel.showFailure(failure);
      return 'costly';
    }
    if (isCancelled(failure)) {
      if (begun) return 'failed';
      if (!panel.showLastResult()) panel.showFailure(new Failure('cancelled', 'The analysis was cancelled.'));
      return 'failed';
    }
    this.log(`analysis failed (${failure.kind}): ${failure.message}`);
    if (failure.cause instanceof Error && failure.cause.stack) this.log(failure.cause.stack);
    if (!begun && chosen && failure.kind === 'modelUnsupported') void this.#refused.show(panel, chosen, failure);
    else if (!begun) panel.showFailure(failure);
    this.failed.fire({ panel, failure });
    return 'failed';
  }
}

function isOutdated({ asked, askedNow }: Job): boolean {
  return asked !== null && askedNow !== null && !meansTheSame(asked, askedNow());
}
