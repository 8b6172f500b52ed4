/** A host for tests: what it is asked and told is kept, what it answers is the test's to say. */
import type { Answer, Method, Notice, Question, ToWebview, ViewState } from '../../extension/shared/webview';
import type { AskOptions, Host } from '../../webview/src/hosts/host';
import { syntheticPayload } from '../../webview/dev/synthetic';
import type { SyntheticOptions } from '../../webview/dev/synthetic';

export class FakeHost implements Host {
  recording = false;
  inEditor = true;
  readonly asked: Question[] = [];
  readonly givenUp: Question[] = [];
  readonly told: Notice[] = [];
  readonly remembered: ViewState[] = [];
  say: (message: ToWebview) => void = () => undefined;
  /** Until a test says otherwise, nothing is ever answered. */
  reply: (question: Question, options: AskOptions) => Promise<Answer> = () => new Promise(() => undefined);

  ask<M extends Method>(question: Question<M>, options: AskOptions = {}): Promise<Answer<M>> {
    this.asked.push(question);
    options.signal?.addEventListener('abort', () => this.givenUp.push(question));
    return this.reply(question, options) as Promise<Answer<M>>;
  }

  /** A store passes it on by itself. */
  readonly tell = (notice: Notice): void => void this.told.push(notice);

  answer(listener: (message: ToWebview) => void): void {
    this.say = listener;
  }

  remember(view: ViewState): void {
    this.remembered.push(view);
  }

  theme(listener: () => void): () => void {
    listener();
    return () => undefined;
  }

  /** The params of what was asked by one method. */
  askedBy(method: Method): unknown[] {
    return this.asked.filter((question) => question.method === method).map((question) => question.params);
  }

  toldOf<T extends Notice['type']>(type: T): Extract<Notice, { type: T }>[] {
    return this.told.filter((notice): notice is Extract<Notice, { type: T }> => notice.type === type);
  }
}

export function analysisMessage(
  options: Partial<SyntheticOptions> = {},
  view: Partial<ViewState> | null = null,
): ToWebview {
  const payload = syntheticPayload({ nLayers: 4, nTokens: 8, ...options }).slice().buffer;
  return { type: 'analysis', runId: 'r', title: 't', payload, view };
}
