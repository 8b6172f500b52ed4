import * as vscode from 'vscode';
import type { AnalyzeParams } from '../../shared/protocol';
import { cancelled, toFailure } from '../failure';
import { orCancelled } from '../backend/session';
import type { Cancel } from '../cancel';
import type { Settings } from '../settings';

/** Parameters of an analysis that may be refused as costly. */
export type CostParams = Pick<AnalyzeParams, 'ask' | 'askAboveSeconds' | 'askAboveMb'>;

const RUN = 'Run';
const NOT_AGAIN = 'Don’t Ask for This Prompt';

/** Sends analyses. A costly one is sent again only after the user confirms it. */
export class CostQuestions {
  /** Documents whose prompts are analyzed without asking, until the window is reloaded. */
  readonly #unasked = new Set<string>();

  /**
   * `waiting` is told what the person is asked. Rejects as cancelled where the answer is no, or none. Whoever types is
   * not asked: what follows them rejects as costly.
   */
  async send<T>(
    { uri, title, follows }: { uri: string; title: string; follows: boolean },
    { askAboveSeconds, askAboveMb }: Settings,
    cancel: Cancel,
    waiting: (question: string) => void,
    send: (params: CostParams) => Promise<T>,
  ): Promise<T> {
    if (this.#unasked.has(uri)) return send({});
    try {
      return await send({ ask: true, askAboveSeconds, askAboveMb });
    } catch (error) {
      const failure = toFailure(error);
      if (failure.kind !== 'costly' || follows) throw failure;
      waiting(failure.message);
      const text = `${title}: ${failure.message} Run it?`;
      const asked = vscode.window.showWarningMessage(text, { modal: false }, RUN, NOT_AGAIN, 'Cancel');
      const chosen = await orCancelled(Promise.resolve(asked), cancel);
      if (chosen === NOT_AGAIN) this.#unasked.add(uri);
      if (chosen !== RUN && chosen !== NOT_AGAIN) throw cancelled();
      return send({});
    }
  }
}
