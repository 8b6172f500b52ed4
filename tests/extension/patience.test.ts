import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LOAD_MODEL, PROTOCOL_VERSION } from '../../extension/shared/protocol';
import { Backend } from '../../extension/src/backend/backend';
import type { Connection, Progress } from '../../extension/src/link/connection';
import type { Exit, ServerProcess } from '../../extension/src/link/launch';
import { Stages } from '../../extension/src/backend/stages';
import { Signal } from '../../extension/src/signal';

const MINUTE = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A backend whose process is nothing but what a test says of it. */
function world({ restart = false, connects = true } = {}) {
  const questions: number[] = [];
  const servers: ServerProcess[] = [];
  const asked: { method: string; answer: (value: unknown) => void }[] = [];
  const advanced = new Signal<void>();
  const progress = new Signal<Progress>();
  const health = { instance: 'one', protocolVersion: PROTOCOL_VERSION, state: 'ready', message: '', loaded: [] };
  const connection: Connection = {
    sendRequest: (method) => {
      if (method.endsWith('/health')) return Promise.resolve({ ...health, instance: `${servers.length}` });
      return new Promise((answer) => asked.push({ method, answer }));
    },
    onHealth: () => ({ dispose: () => undefined }),
    onProgressing: (listener) => advanced.listen(listener),
    onProgress: (_token, listener) => progress.listen(listener),
    onPartial: () => ({ dispose: () => undefined }),
    close: () => Promise.resolve(),
  };
  const launch = (): ServerProcess => {
    let exit: (exit: Exit) => void = () => undefined;
    const server = {
      ...{ pid: 1, stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() },
      exited: new Promise<Exit>((resolve) => (exit = resolve)),
      lastLines: () => [],
      kill: () => Promise.resolve(exit({ code: 0, signal: null, problem: '' })),
      signs: new Signal<void>(),
    };
    servers.push(server);
    return server;
  };
  const backend = new Backend({
    mayStart: () => true,
    find: () => Promise.resolve({ found: true, python: 'python', origin: 'setting', version: '' }),
    launch,
    connect: () => (connects || servers.length > 1 ? Promise.resolve(connection) : new Promise(() => undefined)),
    askToRestart: (minutes) => {
      questions.push(minutes);
      return Promise.resolve(restart);
    },
    log: () => undefined,
    now: Date.now,
  });
  return { backend, questions, servers, asked, advanced, progress };
}

const load = async (backend: Backend, onProgress: (progress: Progress) => void = () => undefined) => {
  const loading = backend.request(LOAD_MODEL, { source: 'm' }, { onProgress });
  await vi.advanceTimersByTimeAsync(0);
  return loading.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
};

describe('somebody who waits', () => {
  it.each(['stages', 'processor time'])('is asked nothing in ten minutes of %s, and is when they end', async (kind) => {
    const { backend, questions, asked, advanced, progress } = world();
    const loading = load(backend);
    for (let seconds = 0; seconds < 600; seconds += 100) {
      await vi.advanceTimersByTimeAsync(100_000);
      if (kind === 'stages') progress.fire({ message: `reading weights, ${seconds} of 600`, fraction: null });
      else advanced.fire();
    }
    expect(questions).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * MINUTE - 1);
    expect(questions).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(questions).toEqual([2]);
    // it is a question, and no end
    await vi.advanceTimersByTimeAsync(2 * MINUTE);
    expect(questions).toEqual([2, 2]);
    asked[0]?.answer({ name: 'm' });
    expect(await loading).toEqual({ value: { name: 'm' } });
    await vi.advanceTimersByTimeAsync(10 * MINUTE);
    expect(questions).toHaveLength(2);
  });

  it('is asked about a start without progress, and not about one with progress', async () => {
    const { backend, questions, servers } = world({ connects: false });
    void load(backend);
    for (let count = 0; count < 10; count += 1) {
      await vi.advanceTimersByTimeAsync(MINUTE);
      servers[0]?.signs.fire();
    }
    expect(questions).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * MINUTE);
    expect(questions).toEqual([2]);
  });

  it.each([true, false])('gets an answer after the restart that they choose (started: %s)', async (connects) => {
    const { backend, questions, servers, asked } = world({ restart: true, connects });
    const loading = load(backend);
    await vi.advanceTimersByTimeAsync(2 * MINUTE);
    expect([questions, servers.length]).toEqual([[2], 2]);
    asked.at(-1)?.answer({ name: 'again' });
    expect(await loading).toEqual({ value: { name: 'again' } });
  });

  it('sees the start in stages, with their seconds', async () => {
    const { backend } = world({ connects: false });
    const seen: string[] = [];
    void load(backend, ({ message }) => seen.push(message));
    await vi.advanceTimersByTimeAsync(4000);
    expect(seen.filter((text, i) => text !== seen[i - 1])).toEqual([
      'Starting Python', 'Starting Python, 1 s', 'Starting Python, 2 s', 'Starting Python, 3 s', 'Starting Python, 4 s',
    ]); // prettier-ignore
  });
});

it('a stage lasts however far its count is, and the next one begins with no seconds', async () => {
  const seen: string[] = [];
  const stages = new Stages(({ message }) => seen.push(message));
  stages.say({ message: 'First pass, layer 1 of 30', fraction: 0 });
  await vi.advanceTimersByTimeAsync(2500);
  stages.say({ message: 'First pass, layer 2 of 30', fraction: 0.1 });
  stages.say({ message: 'Contributions, layer 1 of 30', fraction: 0.2 });
  stages.dispose();
  await vi.advanceTimersByTimeAsync(5000);
  expect(seen).toEqual([
    'First pass, layer 1 of 30',
    'First pass, layer 1 of 30, 1 s',
    'First pass, layer 1 of 30, 2 s',
    'First pass, layer 2 of 30, 2 s',
    'Contributions, layer 1 of 30',
  ]);
});
