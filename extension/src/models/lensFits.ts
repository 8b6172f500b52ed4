import { FIT_LENS, type FitLensParams, type FitLensResult } from '../../shared/protocol';
import { CancelSource, type Cancel } from '../cancel';
import { isCancelled, toFailure } from '../failure';
import { Signal } from '../signal';
import type { Fitting } from '../../shared/webview';

/** The model whose lens is fitted, as an analysis names it. */
export type Fitted = Pick<FitLensParams, 'source' | 'dtype' | 'device' | 'allowDownload'>;

/** A fit that was asked for, and has not come to its end. */
interface Wanted {
  model: Fitted;
  /** null: until its readings settle. */
  sequences: number | null;
}

interface Options {
  cancel: Cancel;
  onProgress(progress: { message: string; fraction: number | null }): void;
  onPartial(value: unknown): void;
}

/** What fits need of the extension. */
export interface FitWorld {
  request(method: string, params: object, options: Options): Promise<unknown>;
  /** Whether the backend has this model in memory: a fit that comes back loads none. */
  isLoaded(source: string): boolean;
  /** Outlives the window. */
  memory: { get(key: string): unknown; update(key: string, value: unknown): Thenable<void> };
  /** The end of a fit: how many sequences it has, or why it could not go on. */
  ended(result: FitLensResult): void;
  failed(error: unknown): void;
}

const KEY = 'lensFit';

/**
 * The lens that this window has fitted, one at a time. It goes on after its backend was lost and after a reload, until
 * it is done or stopped: the backend keeps every sequence.
 */
export class LensFits {
  readonly changed = new Signal<void>();
  #wanted: Wanted | null;
  #running: CancelSource | null = null;
  #fitting: Fitting | null = null;

  constructor(private readonly world: FitWorld) {
    this.#wanted = readWanted(world.memory.get(KEY));
  }

  /** The fit that is under way; null where there is none. */
  get current(): { source: string; fitting: Fitting } | null {
    const { source } = this.#wanted?.model ?? {};
    return source !== undefined && this.#fitting ? { source, fitting: this.#fitting } : null;
  }

  start(model: Fitted, sequences: number | null): void {
    this.#running?.cancel();
    this.#keep({ model, sequences });
    void this.#run();
  }

  /** What is done is kept. */
  stop(): void {
    this.#running?.cancel();
    this.#end(null);
  }

  /** Goes on with what was asked for earlier, once its model is there. */
  resume(): void {
    const { source } = this.#wanted?.model ?? {};
    if (source !== undefined && !this.#running && this.world.isLoaded(source)) void this.#run();
  }

  async #run(): Promise<void> {
    const wanted = this.#wanted;
    if (!wanted) return;
    const running = (this.#running = new CancelSource());
    let sequences = 0;
    const say = (message: string, fraction: number | null) => {
      if (this.#running === running) this.#show({ message, fraction, sequences });
    };
    say('Beginning', null);
    try {
      const result = await this.world.request(
        FIT_LENS,
        { ...wanted.model, sequences: wanted.sequences },
        {
          cancel: running.token,
          onProgress: ({ message, fraction }) => say(message, fraction),
          onPartial: (value) => {
            sequences = (value as FitLensResult).sequences;
            say(this.#fitting?.message ?? '', this.#fitting?.fraction ?? null);
          },
        },
      );
      if (this.#running !== running) return;
      this.#end(null);
      this.world.ended(result as FitLensResult);
    } catch (error) {
      if (this.#running !== running) return;
      const { kind } = toFailure(error);
      // it goes on with the next backend that has the model
      this.#end(LOST.has(kind) ? wanted : null);
      if (!LOST.has(kind) && !isCancelled(error)) this.world.failed(error);
    } finally {
      running.dispose();
    }
  }

  #end(wanted: Wanted | null): void {
    this.#running = null;
    this.#keep(wanted);
    this.#show(null);
  }

  #keep(wanted: Wanted | null): void {
    this.#wanted = wanted;
    void this.world.memory.update(KEY, wanted ?? undefined);
  }

  #show(fitting: Fitting | null): void {
    this.#fitting = fitting;
    this.changed.fire();
  }
}

const LOST: ReadonlySet<string> = new Set(['backendStopped', 'linkLost', 'hostUnreachable']);

/** Of this version or another. */
function readWanted(value: unknown): Wanted | null {
  const { model, sequences } = (value ?? {}) as Partial<Wanted>;
  const isCount = sequences === null || (typeof sequences === 'number' && sequences > 0);
  return typeof model?.source === 'string' && isCount ? { model, sequences } : null;
}
