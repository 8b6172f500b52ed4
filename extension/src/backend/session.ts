import { QUIT } from '../../shared/protocol';
import type { Cancel } from '../cancel';
import type { Link } from '../link/launch';
import { ask } from '../link/request';
import type { Connection } from '../link/connection';
import { cancelled, Failure, toFailure } from '../failure';
import type { Exit, ServerProcess } from '../link/launch';
import { type AfterExit, afterBridge, afterExit } from '../link/restartPolicy';
import { within } from '../link/within';

/** A process that has closed its stream and does not end would keep its reason forever. */
const REASON_MS = 3_000;
const QUIT_MS = 2_000;
/** A bridge that is frozen takes no goodbye. */
const GOODBYE_MS = 4_000;

/** A server process that this window talks to. */
export interface Session {
  /** Counts processes: what one process knows (run ids), the next one does not. */
  id: number;
  server: ServerProcess;
  connection: Connection;
  startedAt: number;
  /** Rejects with the reason when the process ends, or the link to it. */
  gone: Promise<never>;
  /** Makes `gone` reject: the link is silent. */
  lose(failure: Failure): void;
}

export function whenGone(server: ServerProcess, isConnected: () => boolean): Pick<Session, 'gone' | 'lose'> {
  let lose: (failure: Failure) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => (lose = reject));
  const ended = server.exited.then((exit): never => {
    const verdict = verdictOn(server, exit, 0, isConnected());
    throw verdict.next === 'rest' ? new Failure('backendStopped', 'The backend ended.', 'Try again.') : verdict.failure;
  });
  const gone = Promise.race([ended, lost]);
  gone.catch(() => undefined);
  return { gone, lose };
}

export function verdictOn(server: ServerProcess, exit: Exit, restarts: number, wasConnected: boolean): AfterExit {
  return server.link
    ? afterBridge(exit, restarts, server.lastLines(), server.link, wasConnected)
    : afterExit(exit, restarts, server.lastLines());
}

/** Rejects with the reason of the process' exit once it ends, with the error if it does not. */
export async function reasonFor(error: unknown, gone: Promise<never>): Promise<never> {
  const reason = await within(
    gone.catch((reason: unknown) => reason),
    REASON_MS,
  );
  throw reason ? reason.value : error;
}

// the client first sees the closed stream; only the process' exit says why
export function withReason(gone: Promise<never>, reply: Promise<unknown>): Promise<unknown> {
  return reply.catch((error: unknown) => {
    if (toFailure(error).kind !== 'backendStopped') throw error;
    return reasonFor(error, gone);
  });
}

/** Asks a shared server to end for all its windows; one of this machine that does not is ended by force. */
export async function endServer(link: Link, session: Session | null): Promise<void> {
  if (session && (await within(ask(session.connection, QUIT, {}, { gone: session.gone }), QUIT_MS))) return;
  const attached = link.host === '' ? await within(link.attached, 0) : null;
  if (!attached) return;
  try {
    process.kill(attached.value.processId, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}

/** Says goodbye, if it is taken. */
export async function leave(connection: Connection): Promise<void> {
  await within(connection.close(), GOODBYE_MS);
}

export async function end(session: Session): Promise<void> {
  await leave(session.connection);
  await session.server.kill();
}

export async function orCancelled<T>(promise: Promise<T>, cancel?: Cancel): Promise<T> {
  if (!cancel) return promise;
  if (cancel.isCancellationRequested) throw cancelled();
  let listening: { dispose(): void } | undefined;
  const stopped = new Promise<never>((_, reject) => {
    listening = cancel.onCancellationRequested(() => reject(cancelled()));
  });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    listening?.dispose();
  }
}
