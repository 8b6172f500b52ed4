import { PLAIN_LENS, type PlainLensParams, type PlainLensResult } from '../../shared/protocol';
import type { Backend } from '../backend/backend';
import { CancelSource } from '../cancel';
import { type Failure, toFailure } from '../failure';
import type { Panel } from './panel';
import type { Asked } from './resultStore';

/** Tokens of a cell: the most probable, and those that are said of it. */
const TOP_K = 5;

/** What panels show of models that cannot be decomposed: why, and their lens where there is one. */
export class RefusedModels {
  readonly #reading = new Map<Panel, CancelSource>();

  constructor(
    private readonly backend: Pick<Backend, 'request'>,
    private readonly log: (line: string) => void,
  ) {}

  /** Says why at once, and shows the lens of the prompt when it is there. Never rejects. */
  async show(panel: Panel, { prompt, asked }: { prompt: string; asked: Asked }, failure: Failure): Promise<void> {
    this.end(panel);
    const source = new CancelSource();
    this.#reading.set(panel, source);
    const isWanted = () => this.#reading.get(panel) === source;
    const say = (message: string) => isWanted() && panel.showRefused(failure, message);
    say('Reading its logit lens');
    const params: PlainLensParams = { ...asked, prompt, topK: TOP_K };
    try {
      const onProgress = ({ message }: { message: string }) => say(message || 'Reading its logit lens');
      const lens = await this.backend.request(PLAIN_LENS, params, { cancel: source.token, onProgress });
      if (isWanted()) panel.showRefused(failure, lens as PlainLensResult);
    } catch (error) {
      this.log(`no lens of the refused model: ${toFailure(error).message}`);
      if (isWanted()) panel.showRefused(failure, null);
    } finally {
      source.dispose();
      if (isWanted()) this.#reading.delete(panel);
    }
  }

  /** Ends the reading for a panel, or for all of them. */
  end(panel?: Panel): void {
    for (const [of, source] of this.#reading) {
      if (panel && of !== panel) continue;
      this.#reading.delete(of);
      source.cancel();
    }
  }
}
