import path from 'node:path';
import type * as vscode from 'vscode';
import type { Answer, Question } from '../../shared/webview';
import { ANALYZE } from '../../shared/protocol';
import type { Backend } from '../backend/backend';
import type { Progress } from '../backend/connection';
import { Failure, isCancelled, toFailure } from '../backend/failure';
import { type Cancel, CancelSource } from '../cancel';
import { choosePrompt, isChat } from '../prompts/choose';
import type { Settings } from '../settings';
import { Signal } from '../signal';
import { LiveRuns } from './liveRuns';
import type { Panel } from './panel';
import type { Panels } from './panels';
import { payloadBytes, readHeading } from './payload';
import type { Asked, ResultStore, StoredResult } from './resultStore';

// analysing may load a model first; each sign of progress starts these anew
const ANALYZE_SILENCE_MS = 300_000;
const QUESTION_SILENCE_MS = 120_000;

/** An analysis that is under way. */
export interface Job {
  uri: string;
  title: string;
  panel: Panel;
  message: string;
  cancel(): void;
}

/** A document and what is selected in it. */
export interface Subject {
  document: vscode.TextDocument;
  selection: vscode.Selection | null;
}

/** Runs analyses, one a document: a newer request ends the older one. Answers the panels' questions about them. */
export class Analyses {
  readonly changed = new Signal<readonly Job[]>();
  /** An analysis failed, and the panel says why. */
  readonly failed = new Signal<{ panel: Panel; failure: Failure }>();
  readonly #jobs = new Map<string, Job>();
  readonly #live: LiveRuns;

  constructor(
    private readonly backend: Backend,
    private readonly panels: () => Panels,
    private readonly store: ResultStore,
    private readonly settingsFor: (uri: vscode.Uri) => Settings,
    private readonly log: (line: string) => void,
  ) {
    this.#live = new LiveRuns(backend, ANALYZE_SILENCE_MS, log);
  }

  get jobs(): readonly Job[] {
    return [...this.#jobs.values()];
  }

  /** Analyzes the prompt of a document and shows it in the document's panel. Never rejects. */
  async run({ document, selection }: Subject): Promise<void> {
    const uri = document.uri.toString();
    this.#jobs.get(uri)?.cancel();
    const source = new CancelSource();
    const title = path.posix.basename(document.uri.path) || 'Untitled';
    const panel = this.panels().open(document.uri, title);
    const job: Job = { uri, title, panel, message: 'Preparing', cancel: () => source.cancel() };
    this.#jobs.set(uri, job);
    this.#say(job, job.message, null);
    try {
      const result = await this.#analyze({ document, selection }, job, source.token);
      if (this.#jobs.get(uri) !== job) return;
      panel.showResult(result);
      this.#live.put(result.runId);
      this.store.put(result).catch((error: unknown) => this.log(`the result could not be kept: ${String(error)}`));
    } catch (error) {
      if (this.#jobs.get(uri) === job) this.#onFailure(panel, toFailure(error));
    } finally {
      source.dispose();
      if (this.#jobs.get(uri) === job) this.#jobs.delete(uri);
      this.changed.fire(this.jobs);
    }
  }

  /** Ends what runs for this panel, or everything. */
  cancel(panel?: Panel): void {
    for (const job of this.jobs) if (!panel || job.panel === panel) job.cancel();
  }

  /** Answers a panel's question, analyzing once more where the backend has forgotten the run. */
  async ask(
    panel: Panel,
    { method, params }: Question,
    cancel: Cancel,
    onProgress: (progress: Progress) => void,
  ): Promise<Answer> {
    const { shown } = panel;
    if (shown?.runId !== params.runId) throw new Failure('runExpired', 'This analysis is not shown any more.');
    for (let attempt = 1; ; attempt += 1) {
      const live = await this.#live.find(shown, cancel, onProgress);
      const asked = { ...params, runId: await live.runId };
      try {
        const options = { timeoutMs: QUESTION_SILENCE_MS, cancel, onProgress };
        return (await this.backend.request(method, asked, options)) as Answer;
      } catch (error) {
        if (toFailure(error).kind !== 'runExpired') throw error;
        this.#live.forget(shown, live);
        if (attempt > 1) throw error;
      }
    }
  }

  async #analyze({ document, selection }: Subject, job: Job, cancel: Cancel): Promise<StoredResult> {
    const editor = {
      text: document.getText(),
      languageId: document.languageId,
      selectionStart: selection ? document.offsetAt(selection.start) : 0,
      selectionEnd: selection ? document.offsetAt(selection.end) : 0,
      cursor: selection ? document.offsetAt(selection.active) : 0,
    };
    const prompt = choosePrompt(editor);
    const asked = { ...askedBy(this.settingsFor(document.uri)), chat: isChat(editor, prompt) };
    const reply = await this.backend.request(
      ANALYZE,
      { prompt: prompt.text, ...asked },
      {
        timeoutMs: ANALYZE_SILENCE_MS,
        cancel,
        onProgress: ({ message, fraction }) => this.#say(job, message, fraction),
      },
    );
    const payload = payloadBytes(reply);
    const { runId } = readHeading(payload);
    const { start, end, indent } = prompt;
    return { runId, uri: job.uri, title: job.title, asked, start, end, indent, payload };
  }

  #say(job: Job, message: string, fraction: number | null): void {
    if (this.#jobs.get(job.uri) !== job) return;
    job.message = message || job.message;
    job.panel.showProgress(job.message, fraction);
    this.changed.fire(this.jobs);
  }

  #onFailure(panel: Panel, failure: Failure): void {
    if (isCancelled(failure)) {
      if (!panel.showLastResult()) panel.showFailure(new Failure('cancelled', 'The analysis was cancelled.'));
      return;
    }
    this.log(`analysis failed (${failure.kind}): ${failure.message}`);
    if (failure.cause instanceof Error && failure.cause.stack) this.log(failure.cause.stack);
    panel.showFailure(failure);
    this.failed.fire({ panel, failure });
  }
}

function askedBy({ model, allowDownload, dtype, device, specialTokens, topK }: Settings): Asked {
  return { source: model, allowDownload, dtype, device, specialTokens, topK };
}
