import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HEALTH, PROTOCOL_VERSION } from '../../extension/shared/protocol';
import { Backend } from '../../extension/src/backend/backend';
import type { Connection } from '../../extension/src/link/connection';
import type { Exit, ServerProcess } from '../../extension/src/link/launch';
import { attachScript } from '../../extension/src/remote/attachCommand';
import { Signal } from '../../extension/src/signal';

const MINUTE = 60_000;
const KILLED: Exit = { code: null, signal: 'SIGKILL', problem: '' };

/** How far an attempt comes before nothing more is heard of it. */
type Reach = 'nowhere' | 'connected' | 'joined';

/** A backend behind a job of a queue, whose bridges come as far as a test says. */
function world(reaches: Reach[]) {
  const ends: ((exit: Exit) => void)[] = [];
  const health = { instance: 'one', protocolVersion: PROTOCOL_VERSION, state: 'ready', message: '', loaded: [] };
  const connectionOf = (reach: Reach): Connection => ({
    sendRequest: (method) =>
      reach === 'joined' && method === HEALTH ? Promise.resolve(health) : new Promise(() => undefined),
    onHealth: () => ({ dispose: () => undefined }),
    onProgressing: () => ({ dispose: () => undefined }),
    onProgress: () => ({ dispose: () => undefined }),
    onPartial: () => ({ dispose: () => undefined }),
    // a goodbye that a frozen bridge does not take
    close: () => new Promise(() => undefined),
  });
  const launch = (): ServerProcess => {
    const heardAt = Date.now();
    const isHeard = reaches[ends.length] === 'joined';
    let end: (exit: Exit) => void = () => undefined;
    const exited = new Promise<Exit>((resolve) => (end = resolve));
    ends.push(end);
    return {
      ...{ pid: 1, stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), exited },
      ...{ lastLines: () => [], kill: () => Promise.resolve(end(KILLED)), signs: new Signal<void>() },
      link: {
        host: 'cluster',
        attached: new Promise(() => undefined),
        // a job may stand in a queue for long
        patienceMs: 10 * MINUTE,
        heardAt: () => (isHeard ? Date.now() : heardAt),
      },
    };
  };
  const connect = (): Promise<Connection> => {
    const reach = reaches[ends.length - 1] ?? 'joined';
    return reach === 'nowhere' ? new Promise(() => undefined) : Promise.resolve(connectionOf(reach));
  };
  const backend = new Backend({
    mayStart: () => true,
    find: () => Promise.resolve({ found: true, python: 'python', origin: 'setting', version: '' }),
    ...{ launch, connect, askToRestart: () => Promise.resolve(false), log: () => undefined, now: Date.now },
  });
  return { backend, ends };
}

describe('a link that is made again', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each<Reach>(['nowhere', 'connected'])(
    'and falls silent once it has come %s is given up for another try within two minutes, in a job as well',
    async (reach) => {
      const { backend, ends } = world(['joined', reach, 'joined']);
      await backend.start();
      ends[0]?.(KILLED);
      await vi.advanceTimersByTimeAsync(1000);
      expect([backend.status.phase, ends.length]).toEqual(['reconnecting', 2]);
      await vi.advanceTimersByTimeAsync(2 * MINUTE);
      expect([backend.status.phase, ends.length]).toEqual(['running', 3]);
    },
  );
});

it('a window leaves a bridge that is frozen within seconds', async () => {
  vi.useFakeTimers();
  const { backend } = world(['joined']);
  await backend.start();
  let isStopped = false;
  void backend.stop().then(() => (isStopped = true));
  await vi.advanceTimersByTimeAsync(10_000);
  vi.useRealTimers();
  expect(isStopped).toBe(true);
});

describe('the shell on the other side', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'relink-'));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('says that the link is there while a wrapper waits, and hands over stdin, stdout and the exit code', async () => {
    const python = path.join(folder, 'python');
    writeFileSync(python, '#!/bin/sh\ncat\nexit 7\n', { mode: 0o755 });
    const child = spawn('sh', ['-s'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const heard = new Promise<string>((resolve) => child.stderr.once('data', (chunk: Buffer) => resolve(`${chunk}`)));
    child.stdin.write(attachScript(python, ['env', 'IN_A_JOB=1']));
    expect(await heard).toBe('lm-transparency alive\n');
    child.stdin.end('the protocol');
    expect([await closed, output]).toEqual([7, 'the protocol']);
  });
});
