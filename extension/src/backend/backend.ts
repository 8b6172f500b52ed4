import { randomUUID } from 'node:crypto';
import {
  ANALYZE,
  ESTIMATE_FIT,
  FIT_LENS,
  type Health,
  HEALTH,
  LOAD_MODEL,
  PROTOCOL_VERSION,
  SILENCE_S,
} from '../../shared/protocol';
import { linkLost } from '../link/sshFailure';
import type { Cancel } from '../cancel';
import { Signal } from '../signal';
import { ask } from '../link/request';
import type { Connection, Progress } from '../link/connection';
import { cancelled, Failure, toFailure } from '../failure';
import type { PythonChoice } from '../setUp/findPython';
import { keepListening, withoutSilence } from '../link/heartbeat';
import type { Exit, ServerProcess } from '../link/launch';
import { Patience, PATIENCE_MS } from './patience';
import { backOff, isPassing, LINK_PATIENCE_MS, Reconnection } from '../link/reconnection';
import { FORGIVEN_AFTER_MS, outdated } from '../link/restartPolicy';
import {
  end,
  endServer,
  leave,
  orCancelled,
  reasonFor,
  type Session,
  verdictOn,
  whenGone,
  withReason,
} from './session';
import { Stages } from './stages';

/** `reconnecting`: the link to a server that lives on is being made again. */
export type Phase = 'stopped' | 'starting' | 'running' | 'reconnecting' | 'failed';

export interface BackendStatus {
  phase: Phase;
  health: Health | null;
  failure: Failure | null;
}

/** What the backend needs of the world; tests bring their own. */
export interface BackendWorld {
  mayStart(): boolean;
  find(): Promise<PythonChoice>;
  /** `again`: the link was lost, perhaps because its connection is stuck. */
  launch(choice: PythonChoice & { found: true }, again: boolean): ServerProcess;
  connect(server: ServerProcess): Promise<Connection>;
  /** Sends what may load a model, once or again, with what this machine and the person say about that. */
  load?(send: (params: object) => Promise<unknown>): Promise<unknown>;
  /** Asks the person about a backend that makes no progress: whether to restart it, or to wait on. */
  askToRestart(minutes: number): Promise<boolean>;
  log(line: string): void;
  now(): number;
  /** How long a link may be silent; `SILENCE_S` without. */
  silenceS?: number;
}

export interface RequestOptions {
  cancel?: Cancel;
  /** Receives each stage and how long it has lasted, including those of a start that comes first. */
  onProgress?: (progress: Progress) => void;
  /** Requests part of the answer before the rest is ready. */
  onPartial?: (value: unknown) => void;
  /** The backend can answer before PyTorch is loaded. */
  early?: boolean;
}

/** How long an attempt to make a link again may be without a word from it; then comes the next. */
const LINK_SILENCE_MS = 60_000;
/** Requests that load a model if it is not loaded yet. */
const LOADING: ReadonlySet<string> = new Set([ANALYZE, LOAD_MODEL, ESTIMATE_FIT, FIT_LENS]);
const STARTING = 'Starting Python';
const TRIES = 3;

/**
 * The one backend of this window: started or joined when first needed, restarted once after a crash. One behind a link
 * outlives it: the link is made again, and what was asked meanwhile is asked again.
 */
export class Backend {
  readonly changed = new Signal<BackendStatus>();
  #status: BackendStatus = { phase: 'stopped', health: null, failure: null };
  #session: Session | null = null;
  #starting: Promise<Session> | null = null;
  #startingServer: ServerProcess | null = null;
  #generation = 0;
  #restarts = 0;
  #reconnection: Reconnection<Session> | null = null;
  #known = { instance: '', id: 0 };
  /** A restart that the user chose after a standstill: pending requests are sent again. */
  #restarting: Promise<void> | null = null;
  #isAsking = false;
  /** The backend is across a network: after a while without a link, requests fail and say so. */
  #isFar = false;
  readonly #patience = new Patience(
    () => void this.#onStandstill(),
    () => this.#startingServer?.link?.patienceMs ?? PATIENCE_MS,
  );

  constructor(private readonly world: BackendWorld) {}

  get status(): BackendStatus {
    return this.#status;
  }

  /** Which process answers now; null while there is none. */
  get sessionId(): number | null {
    return this.#session?.id ?? null;
  }

  /** Sends a request, starting the backend where needed. Rejects with a `Failure` only. */
  request(method: string, params: object, wanted: RequestOptions = {}): Promise<unknown> {
    const send = (more: object) => this.#patience.during(this.#sent(method, { ...params, ...more }, wanted));
    return LOADING.has(method) && this.world.load ? this.world.load(send) : send({});
  }

  async #sent(method: string, params: object, wanted: RequestOptions): Promise<unknown> {
    for (let tries = 1; ; tries += 1) {
      const stages = wanted.onProgress && new Stages(wanted.onProgress);
      try {
        return await this.#request(method, params, { ...wanted, ...(stages && { onProgress: stages.say }) });
      } catch (error) {
        // every request can be asked twice; the server has called off what it could not answer
        const isLost = toFailure(error).kind === 'linkLost' && this.#status.phase !== 'stopped' && tries < TRIES;
        if (!(isLost || this.#restarting) || wanted.cancel?.isCancellationRequested) throw error;
        wanted.onProgress?.({ message: this.#restarting ? STARTING : 'Reconnecting', fraction: null });
        await this.#restarting;
      } finally {
        stages?.dispose();
      }
    }
  }

  async #request(method: string, params: object, wanted: RequestOptions): Promise<unknown> {
    const { cancel, onProgress, onPartial, early } = wanted;
    const session = await this.#ready(cancel, onProgress, early === true);
    const { connection, gone } = session;
    if (!onProgress || early) return withReason(gone, ask(connection, method, params, { cancel, gone }));
    const { sign } = this.#patience;
    const workDoneToken = randomUUID();
    const listening = connection.onProgress(workDoneToken, (progress) => {
      sign();
      onProgress(progress);
    });
    const partial = onPartial ? { partialResultToken: randomUUID() } : {};
    const hearing =
      partial.partialResultToken === undefined
        ? null
        : connection.onPartial(partial.partialResultToken, (value) => {
            sign();
            onPartial?.(value);
          });
    try {
      const asked = { ...params, workDoneToken, ...partial };
      return await withReason(gone, ask(connection, method, asked, { cancel, gone }));
    } finally {
      listening.dispose();
      hearing?.dispose();
    }
  }

  /** Starts the process unless it runs; many callers share one start. */
  start(): Promise<unknown> {
    return this.#ensure();
  }

  /** A fresh process; one that is shared ends for all its windows. */
  async restart(): Promise<void> {
    const link = (this.#session?.server ?? this.#startingServer)?.link;
    if (link) await endServer(link, this.#session);
    await this.stop();
    this.#restarts = 0;
    await this.#ensure();
  }

  /** Called after minutes without progress while a request waits. */
  async #onStandstill(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const minutes = Math.round((this.#startingServer?.link?.patienceMs ?? PATIENCE_MS) / 60_000);
      this.world.log(`no progress for ${minutes} minutes`);
      if (!(await this.world.askToRestart(minutes))) return;
      this.#restarting = this.restart().catch((error: unknown) => this.world.log(toFailure(error).message));
      await this.#restarting;
    } finally {
      this.#restarting = null;
      this.#isAsking = false;
    }
  }

  /** Ends the process, also one that is just starting. */
  async stop(): Promise<void> {
    this.#generation += 1;
    const session = this.#session;
    this.#session = null;
    this.#reconnection?.giveUp();
    this.#reconnection = null;
    const starting = this.#startingServer;
    this.#starting = null;
    this.#startingServer = null;
    this.#set({ phase: 'stopped', health: null, failure: null });
    if (session) await end(session);
    await starting?.kill();
    if (session) this.world.log('backend stopped');
  }

  async #ready(cancel?: Cancel, onProgress?: (progress: Progress) => void, early = false): Promise<Session> {
    if (!this.#session) onProgress?.({ message: STARTING, fraction: null });
    const session = await orCancelled(this.#ensure(), cancel);
    if (early) return session;
    if (this.#status.health?.state === 'starting') await orCancelled(this.#imported(onProgress), cancel);
    const health = this.#status.health;
    if (health?.state === 'error') throw new Failure('dependencyMissing', health.message, health.remedy);
    return session;
  }

  #ensure(): Promise<Session> {
    if (this.#session) return Promise.resolve(this.#session);
    if (this.#reconnection) return this.#isFar ? this.#reconnection.within(LINK_PATIENCE_MS) : this.#reconnection.done;
    if (this.#starting) return this.#starting;
    const generation = ++this.#generation;
    const starting = this.#launch(generation).catch((error: unknown) => {
      const failure = toFailure(error);
      if (generation === this.#generation) {
        this.#starting = null;
        this.#set({ phase: 'failed', health: null, failure });
      }
      throw failure;
    });
    this.#starting = starting;
    return starting;
  }

  async #launch(generation: number, again = false): Promise<Session> {
    if (!this.world.mayStart()) throw untrusted();
    if (!again) this.#set({ phase: 'starting', health: null, failure: null });
    const choice = await this.world.find();
    if (!choice.found) throw new Failure('backendMissing', choice.message, choice.remedy);
    if (generation !== this.#generation) throw cancelled();
    this.world.log(`starting ${choice.python}`);
    const server = this.world.launch(choice, again);
    this.#isFar = Boolean(server.link?.host);
    this.#startingServer = server;
    this.#patience.sign();
    server.signs.listen(this.#patience.sign);
    const joined: { connection?: Connection } = {};
    const { gone, lose } = whenGone(server, () => joined.connection !== undefined);
    try {
      const health = await this.#greeted(server, gone, again, (made) => {
        joined.connection = made;
        made.onProgressing(this.#patience.sign);
        made.onHealth((health) => {
          this.#patience.sign();
          if (this.#generation === generation) this.#set({ phase: 'running', health, failure: null });
        });
      });
      if (health.protocolVersion !== PROTOCOL_VERSION) throw outdated();
      const { connection } = joined;
      if (generation !== this.#generation || !connection) throw cancelled();
      const startedAt = this.world.now();
      const session = { id: this.#identify(health), server, connection, startedAt, gone, lose };
      this.#session = session;
      this.#starting = null;
      this.#set({ phase: 'running', health, failure: null });
      this.world.log(`backend ${health.packageVersion} runs (Python ${health.python})`);
      void server.exited.then((exit) => this.#onExit(session, exit));
      this.#listenFor(session);
      return session;
    } catch (error) {
      // a server that outlives its link would wait for this window
      if (joined.connection) await leave(joined.connection);
      await server.kill();
      throw error;
    } finally {
      if (this.#startingServer === server) this.#startingServer = null;
    }
  }

  /** The first answer of a server. On a reconnected link it is awaited only while the link is alive. */
  #greeted(
    server: ServerProcess,
    gone: Promise<never>,
    again: boolean,
    onConnected: (connection: Connection) => void,
  ): Promise<Health> {
    const greeted = this.#firstAnswer(server, gone, onConnected);
    greeted.catch(() => undefined);
    const { link } = server;
    return again && link?.host ? withoutSilence(greeted, link, LINK_SILENCE_MS) : greeted;
  }

  async #firstAnswer(
    server: ServerProcess,
    gone: Promise<never>,
    onConnected: (connection: Connection) => void,
  ): Promise<Health> {
    // a process' exit code says more than the broken pipe
    const connecting = this.world.connect(server).catch((error: unknown) => reasonFor(error, gone));
    connecting.catch(() => undefined);
    const connection = await Promise.race([connecting, gone]);
    onConnected(connection);
    return (await ask(connection, HEALTH, {}, { gone })) as Health;
  }

  #onExit(session: Session, exit: Exit): void {
    if (this.#session !== session) return;
    this.#session = null;
    void session.connection.close();
    if (this.world.now() - session.startedAt > FORGIVEN_AFTER_MS) this.#restarts = 0;
    const verdict = verdictOn(session.server, exit, this.#restarts, true);
    this.world.log(`backend ended: code ${exit.code}, signal ${exit.signal}; ${verdict.next}`);
    if (verdict.next === 'reconnect') return this.#reconnect(verdict.failure);
    const failure = verdict.next === 'rest' ? null : verdict.failure;
    this.#set({ phase: failure ? 'failed' : 'stopped', health: null, failure });
    if (verdict.next !== 'restart') return;
    this.#restarts += 1;
    this.#ensure().catch((error: unknown) => this.world.log(`restart failed: ${toFailure(error).message}`));
  }

  /** The number of a process; a process that is joined again keeps it. */
  #identify({ instance }: Health): number {
    if (!instance || instance !== this.#known.instance) this.#known = { instance, id: this.#known.id + 1 };
    return this.#known.id;
  }

  /** Pings across a link, and takes a long silence for its loss. */
  #listenFor(session: Session): void {
    const { connection, server } = session;
    const { link } = server;
    // what breaks on one machine ends, and is not silent; and a busy machine is
    if (!link?.host) return;
    const { silenceS = SILENCE_S } = this.world;
    const isOver = () => this.#session !== session;
    keepListening(connection, { heardAt: () => link.heardAt(), silenceS }, isOver, (silent) => {
      this.world.log(`no message for ${Math.round(silent)} s`);
      const failure = linkLost(link.host, ': no more messages arrived');
      session.lose(failure);
      this.#session = null;
      void server.kill();
      void connection.close();
      this.#reconnect(failure);
    });
  }

  #reconnect(failure: Failure): void {
    const generation = ++this.#generation;
    this.#set({ phase: 'reconnecting', health: null, failure });
    const reconnection = new Reconnection<Session>(backOff(), () => this.#launch(generation, true), failure);
    this.#reconnection = reconnection;
    reconnection.done.then(
      () => {
        if (this.#reconnection === reconnection) this.#reconnection = null;
      },
      (error: unknown) => {
        if (this.#reconnection !== reconnection) return;
        this.#reconnection = null;
        this.#set({ phase: 'failed', health: null, failure: toFailure(error) });
      },
    );
    reconnection.failed.listen((why) => {
      this.world.log(`could not reconnect: ${why.message}`);
      if (this.#reconnection === reconnection && isPassing(why))
        this.#set({ phase: 'reconnecting', health: null, failure: why });
    });
  }

  /** Resolves when the heavy imports are over, for better or worse. */
  async #imported(onProgress?: (progress: Progress) => void): Promise<void> {
    let listening: { dispose(): void } | undefined;
    await new Promise<void>((resolve) => {
      const look = ({ health }: BackendStatus): void => {
        if (health?.state !== 'starting') return resolve();
        onProgress?.({ message: health.message.replace(/\.$/, '') || 'Importing PyTorch', fraction: null });
      };
      listening = this.changed.listen(look);
      look(this.#status);
    });
    listening?.dispose();
    if (this.#session === null)
      throw this.#status.failure ?? new Failure('backendStopped', 'The backend stopped.', 'Try again.');
  }

  #set(status: BackendStatus): void {
    this.#status = status;
    this.changed.fire(status);
  }
}

function untrusted(): Failure {
  return new Failure(
    'untrusted',
    'This workspace is not trusted, so no process is started for it.',
    'Trust the workspace to analyze its prompts.',
  );
}
