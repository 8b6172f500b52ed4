import type { Link } from './launch';
import { readServerEnd } from './greeting';
import { explainSsh, linkLost } from './sshFailure';
import { Failure } from '../failure';
import type { Exit } from './launch';

/** Exit codes the server uses on purpose. */
export const EXIT = { normal: 0, dependencyMissing: 3, protocolMismatch: 4, serverEnded: 5, refused: 6 } as const;

/** After this long a crash counts as a new one. */
export const FORGIVEN_AFTER_MS = 10 * 60_000;

export type AfterExit = { next: 'rest' } | { next: 'restart' | 'reconnect' | 'stop'; failure: Failure };

/** What to do when a bridge to a shared server ended: the server may have, or only the link to it. */
export function afterBridge(
  exit: Exit,
  restartsSoFar: number,
  lastWords: readonly string[],
  { host }: Link,
  wasConnected: boolean,
): AfterExit {
  if (exit.problem !== '') {
    const failure =
      host === ''
        ? cannotStart(exit.problem)
        : new Failure('hostUnreachable', `ssh could not be started: ${exit.problem}.`, 'Install an OpenSSH client.');
    return { next: 'stop', failure };
  }
  if (exit.code === EXIT.serverEnded) {
    const end = readServerEnd(lastWords);
    if (end?.outOfMemory) {
      const failure = new Failure(
        'outOfMemory',
        'The system killed the backend because it ran out of memory.',
        'Choose a smaller model, a smaller precision or a shorter prompt.',
      );
      return { next: restartsSoFar === 0 ? 'restart' : 'stop', failure };
    }
    return afterExit({ code: end?.code ?? null, signal: end?.signal ?? null, problem: '' }, restartsSoFar, end?.lines);
  }
  if (exit.code === EXIT.refused) {
    const message = sentenceOf(lastWords) || 'The backend refused the connection.';
    return { next: 'stop', failure: new Failure('backendStopped', message, '') };
  }
  if (exit.code === EXIT.normal || exit.code === EXIT.dependencyMissing) return afterExit(exit, 0, lastWords);
  if (wasConnected) return { next: 'reconnect', failure: linkLost(host) };
  if (host === '') return afterExit(exit, 1, lastWords);
  const failure = explainSsh(host, lastWords.join('\n')) ?? unexplained(host, exit, lastWords);
  return { next: 'stop', failure };
}

function unexplained(host: string, exit: Exit, lastWords: readonly string[]): Failure {
  const last = lastWords.at(-1)?.trim().slice(0, 200) ?? '';
  const code = exit.code === null ? (exit.signal ?? 'no code') : `code ${exit.code}`;
  const message = `The connection to ${host} ended before the backend answered (${code}${last && `: ${last}`}).`;
  return new Failure('hostUnreachable', message, 'See the log for the output of ssh.');
}

/** What to do when the server ends unasked: one restart after a crash, none if it cannot help. */
export function afterExit(exit: Exit, restartsSoFar: number, lastWords: readonly string[] = []): AfterExit {
  if (exit.problem !== '') return { next: 'stop', failure: cannotStart(exit.problem) };
  if (exit.code === EXIT.normal) return { next: 'rest' };
  if (exit.code === EXIT.dependencyMissing) {
    const message = sentenceOf(lastWords) || 'A Python package that the backend needs is missing.';
    return { next: 'stop', failure: new Failure('dependencyMissing', message, 'Set up the backend again.') };
  }
  if (exit.code === EXIT.protocolMismatch) return { next: 'stop', failure: outdated() };
  const failure = new Failure('backendStopped', `The backend ${howItEnded(exit)}.`, remedyFor(exit));
  return restartsSoFar === 0 ? { next: 'restart', failure } : { next: 'stop', failure };
}

/** The backend speaks another version of the protocol than this extension. */
export function outdated(): Failure {
  return new Failure(
    'backendOutdated',
    'The backend and the extension are of different versions.',
    'Set up the backend again, or install the matching version of lm-transparency in your interpreter.',
  );
}

function cannotStart(problem: string): Failure {
  return new Failure(
    'backendStopped',
    `The backend's interpreter could not be started: ${problem}.`,
    'Set up the backend again, or correct the setting lmTransparency.backend.python.',
  );
}

function howItEnded(exit: Exit): string {
  if (exit.signal === 'SIGKILL' || exit.code === 137) return 'was killed by the system';
  if (exit.signal !== null) return `crashed (${exit.signal})`;
  return `ended unexpectedly (exit code ${exit.code ?? 'unknown'})`;
}

function remedyFor(exit: Exit): string {
  if (exit.signal === 'SIGKILL' || exit.code === 137) {
    return 'It probably ran out of memory: choose a smaller model or a shorter prompt.';
  }
  return 'See the log for its last output.';
}

// the server gives its reason in one line; a traceback's last line is not for readers
function sentenceOf(lines: readonly string[]): string {
  const last = lines.at(-1)?.trim() ?? '';
  return lines.some((line) => line.startsWith('Traceback')) || last.length > 300 ? '' : last;
}
