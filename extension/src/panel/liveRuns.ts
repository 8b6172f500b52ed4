import { ANALYZE } from '../../shared/protocol';
import type { Backend } from '../backend/backend';
import type { Progress } from '../link/connection';
import { cancelled } from '../failure';
import { type Cancel, CancelSource } from '../cancel';
import { Signal } from '../signal';
import type { Shown } from './panel';
import { runIdOf } from './payload';

/** Where a run that is shown lives in the backend. */
export interface LiveRun {
  session: number | null;
  runId: Promise<string>;
}

/** A run that is being repeated, and the number of questions that wait for it. */
interface Revival extends LiveRun {
  progress: Signal<Progress>;
  waiting: number;
  source: CancelSource;
}

function isRevival(live: LiveRun): live is Revival {
  return 'waiting' in live;
}

/** Maps a shown run to a run id of the current process: a process that has forgotten it analyzes again. */
export class LiveRuns {
  readonly #live = new Map<string, LiveRun>();

  constructor(
    private readonly backend: Backend,
    private readonly log: (line: string) => void,
  ) {}

  /** The backend's present process has just given this run. */
  put(runId: string): void {
    this.#live.set(runId, { session: this.backend.sessionId, runId: Promise.resolve(runId) });
  }

  /** A process of this window has had this run, and there is one to have it again. */
  isAtHand(runId: string): boolean {
    return this.#live.has(runId) && this.backend.sessionId !== null;
  }

  /** The run in the current process; many questions share one analysis, which ends when none waits any more. */
  async find(shown: Shown, cancel: Cancel, onProgress: (progress: Progress) => void): Promise<LiveRun> {
    await this.backend.start();
    if (cancel.isCancellationRequested) throw cancelled();
    const known = this.#live.get(shown.runId);
    const live: LiveRun = known?.session === this.backend.sessionId && known ? known : this.#revive(shown);
    try {
      await (isRevival(live) ? wait(live, cancel, onProgress) : live.runId);
    } catch (error) {
      if (isRevival(live) && live.waiting === 0) this.forget(shown, live);
      throw error;
    }
    return live;
  }

  /** The process no longer knows this run. */
  forget(shown: Shown, live: LiveRun): void {
    if (this.#live.get(shown.runId) === live) this.#live.delete(shown.runId);
  }

  #revive(shown: Shown): Revival {
    const source = new CancelSource();
    const progress = new Signal<Progress>();
    const params = { prompt: shown.heading.prompt, ...shown.asked };
    const onProgress = (step: Progress) => progress.fire(step);
    const runId = this.backend.request(ANALYZE, params, { cancel: source.token, onProgress }).then(runIdOf);
    const live = { session: this.backend.sessionId, runId, progress, waiting: 0, source };
    this.#live.set(shown.runId, live);
    runId.catch(() => this.forget(shown, live));
    this.log('the backend does not know this analysis; analyzing once more');
    return live;
  }
}

/** Waits for the run unless cancelled; the last waiter to cancel ends it. */
async function wait(live: Revival, cancel: Cancel, onProgress: (progress: Progress) => void): Promise<void> {
  live.waiting += 1;
  const hearing = live.progress.listen(onProgress);
  let listening: { dispose(): void } | undefined;
  const stopped = new Promise<never>((_, reject) => {
    listening = cancel.onCancellationRequested(() => reject(cancelled()));
  });
  try {
    await Promise.race([live.runId, stopped]);
  } finally {
    listening?.dispose();
    hearing.dispose();
    live.waiting -= 1;
    // without effect on a run that is there
    if (live.waiting === 0) live.source.cancel();
  }
}
