import { afterEach, describe, expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { tmpdir } from 'node:os';
import { ANALYZE, LIST_MODELS } from '../../extension/shared/protocol';
import { Backend, type BackendStatus, type BackendWorld } from '../../extension/src/backend/backend';
import type { Progress } from '../../extension/src/link/connection';
import { Failure } from '../../extension/src/failure';
import { launch, type ServerProcess } from '../../extension/src/link/launch';
import { afterBridge } from '../../extension/src/link/restartPolicy';
import { launchAttached } from '../../extension/src/link/attached';
import { CancelSource } from '../../extension/src/cancel';
import { connectBare } from './json_rpc_connection';

const SERVER = fileURLToPath(new URL('./fake_server.mjs', import.meta.url));
const FOUND = { found: true, python: 'python', origin: 'setting', version: '0.1.0' } as const;
const env = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => !!entry[1]));

const backends: Backend[] = [];
afterEach(async () => {
  for (const backend of backends.splice(0)) await backend.stop();
});

function make(modes: string[] = ['normal'], world: Partial<BackendWorld> = {}) {
  const servers: ServerProcess[] = [];
  const lines: string[] = [];
  const backend = new Backend({
    mayStart: () => true,
    find: () => Promise.resolve(FOUND),
    launch: () => {
      const mode = modes[Math.min(servers.length, modes.length - 1)] ?? 'normal';
      const server = launch([process.execPath, SERVER, mode], {
        cwd: tmpdir(),
        env,
        onLine: (line) => lines.push(line),
      });
      servers.push(server);
      return server;
    },
    connect: connectBare,
    askToRestart: () => Promise.resolve(false),
    log: () => undefined,
    now: Date.now,
    ...world,
  });
  backends.push(backend);
  return { backend, servers, lines };
}

const analyze = (backend: Backend, prompt: string, options: { cancel?: CancelSource } = {}) =>
  backend.request(ANALYZE, { prompt }, { cancel: options.cancel?.token });

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => {
      expect(error).toBeInstanceOf(Failure);
      return error as Failure;
    },
  );

const until = (backend: Backend, wanted: (status: BackendStatus) => boolean) =>
  new Promise<BackendStatus>((resolve) => {
    if (wanted(backend.status)) return resolve(backend.status);
    const listening = backend.changed.listen((status) => {
      if (!wanted(status)) return;
      listening.dispose();
      resolve(status);
    });
  });

const isAlive = (pid: number | undefined) => {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a backend', () => {
  it('starts with the first request, once for many', async () => {
    const { backend, servers } = make();
    expect(backend.status.phase).toBe('stopped');
    const replies = await Promise.all([analyze(backend, 'a'), analyze(backend, 'b')]);
    expect(replies).toEqual([
      { runId: 'a', payload: 'YQ==' },
      { runId: 'b', payload: 'Yg==' },
    ]);
    expect(servers).toHaveLength(1);
    expect(backend.status).toMatchObject({ phase: 'running', health: { torch: '2.13.0' } });
  });

  it('starts no process without trust', async () => {
    const { backend, servers } = make(['normal'], { mayStart: () => false });
    expect(await failureOf(analyze(backend, 'a'))).toMatchObject({ kind: 'untrusted' });
    expect(servers).toHaveLength(0);
  });

  it('says why there is no interpreter, and tries again the next time', async () => {
    let tries = 0;
    const { backend } = make(['normal'], {
      find: () =>
        Promise.resolve(
          tries++ === 0 ? { found: false, reason: 'notSetUp', message: 'Not set up.', remedy: 'Set it up.' } : FOUND,
        ),
    });
    expect(await failureOf(analyze(backend, 'a'))).toMatchObject({ kind: 'backendMissing', remedy: 'Set it up.' });
    expect(await analyze(backend, 'a')).toMatchObject({ runId: 'a' });
  });

  it('reports the progress of a request', async () => {
    const { backend } = make();
    const seen: Progress[] = [];
    await backend.request(ANALYZE, { prompt: 'steps' }, { onProgress: (step) => seen.push(step) });
    expect(seen.map((step) => step.message)).toEqual([
      'Starting Python', 'Analyzing', 'layer 1', 'layer 2', 'layer 3', 'layer 4', 'layer 5',
    ]); // prettier-ignore
    expect(seen.at(-1)?.fraction).toBe(1);
  });

  it('answers a cancellation at once and passes it on', async () => {
    const { backend, lines } = make();
    await analyze(backend, 'warm');
    const cancel = new CancelSource();
    const failing = failureOf(analyze(backend, 'hang', { cancel }));
    setTimeout(() => cancel.cancel(), 50);
    expect(await failing).toMatchObject({ kind: 'cancelled' });
    await expect.poll(() => lines.filter((line) => line.startsWith('cancelled'))).toHaveLength(1);
  });

  it('can be cancelled while it starts, and starts nevertheless', async () => {
    const { backend } = make();
    const cancel = new CancelSource();
    const failing = failureOf(analyze(backend, 'a', { cancel }));
    cancel.cancel();
    expect(await failing).toMatchObject({ kind: 'cancelled' });
    expect(await until(backend, (status) => status.phase === 'running')).toBeTruthy();
  });

  it('turns an error reply into its sentence and remedy, without the trace', async () => {
    const { backend } = make();
    const failure = await failureOf(analyze(backend, 'refuse'));
    expect(failure).toMatchObject({ kind: 'promptTooLong', message: 'The prompt is too long.', remedy: 'Shorten it.' });
  });

  it('restarts once after a crash, then stops and says so', async () => {
    const { backend, servers } = make();
    expect(await failureOf(analyze(backend, 'crash'))).toMatchObject({ kind: 'backendStopped' });
    await until(backend, (status) => status.phase === 'running');
    expect(servers).toHaveLength(2);
    expect(await analyze(backend, 'alive')).toMatchObject({ runId: 'alive' });
    await failureOf(analyze(backend, 'crash'));
    const { failure } = await until(backend, (status) => status.phase === 'failed');
    expect(failure?.message).toBe('The backend ended unexpectedly (exit code 70).');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(servers).toHaveLength(2);
    expect(await analyze(backend, 'by hand')).toMatchObject({ runId: 'by hand' });
  });

  it('forgives a crash that is long ago', async () => {
    let now = 0;
    const { backend, servers } = make(['normal'], { now: () => now });
    for (const count of [2, 3]) {
      await analyze(backend, 'warm');
      now += 11 * 60_000;
      await failureOf(analyze(backend, 'crash'));
      await until(backend, (status) => status.phase === 'running');
      expect(servers).toHaveLength(count);
    }
  });

  it('knows a new process from the old one', async () => {
    const { backend } = make();
    await analyze(backend, 'a');
    const before = backend.sessionId;
    await backend.restart();
    expect(backend.sessionId).not.toBe(before);
  });

  it.each([
    ['dependency', 'dependencyMissing', 'PyTorch is not installed.'],
    ['protocol', 'backendOutdated', 'The backend and the extension are of different versions.'],
  ])('does not restart after exit for %s', async (mode, kind, message) => {
    const { backend, servers } = make([mode]);
    expect(await failureOf(analyze(backend, 'a'))).toMatchObject({ kind, message });
    expect(servers).toHaveLength(1);
  });

  it('refuses a server of another protocol and ends it', async () => {
    const { backend, servers } = make(['old']);
    expect(await failureOf(analyze(backend, 'a'))).toMatchObject({ kind: 'backendOutdated' });
    expect(isAlive(servers[0]?.pid)).toBe(false);
  });

  it('waits until PyTorch is loaded, and says so, but for what can be answered before', async () => {
    const { backend } = make(['importing']);
    const early = await backend.request(LIST_MODELS, {}, { early: true });
    expect(early).toMatchObject({ defaultSource: 'starting' });
    const seen: string[] = [];
    const onProgress = ({ message }: Progress) => seen.push(message);
    expect(await backend.request(ANALYZE, { prompt: 'a' }, { onProgress })).toMatchObject({ runId: 'a' });
    expect(seen).toEqual(['Importing PyTorch']);
    expect(backend.status.health?.state).toBe('ready');
  });

  it('reports the message in the health when PyTorch is missing', async () => {
    const { backend } = make(['broken']);
    const failure = await failureOf(analyze(backend, 'a'));
    expect(failure).toMatchObject({
      kind: 'dependencyMissing',
      message: 'torch is not installed.',
      remedy: 'Install it.',
    });
  });

  it('says what is wrong with an interpreter that cannot be started', async () => {
    const start = () => launch(['/nowhere/python'], { cwd: tmpdir(), env, onLine: () => undefined });
    const { backend } = make(['normal'], { launch: start });
    const failure = await failureOf(analyze(backend, 'a'));
    expect(failure.message).toMatch(/could not be started: .*ENOENT/);
  });

  it('ends the process when it is stopped, even one that does not answer', async () => {
    const { backend, servers } = make(['mute']);
    await analyze(backend, 'a');
    expect(isAlive(servers[0]?.pid)).toBe(true);
    await backend.stop();
    expect(isAlive(servers[0]?.pid)).toBe(false);
    expect(backend.status.phase).toBe('stopped');
  });

  it('can be stopped in the middle of a start', async () => {
    const { backend, servers } = make(['silent', 'normal']);
    const failing = failureOf(analyze(backend, 'a'));
    await expect.poll(() => servers.length).toBe(1);
    await backend.stop();
    await failing;
    expect(isAlive(servers[0]?.pid)).toBe(false);
    expect(await analyze(backend, 'b')).toMatchObject({ runId: 'b' });
  });
});

describe('a backend behind a link', () => {
  // the bridge that a link is made of: a shell that prints, and the fake server in one process
  const bridge = (servers: ServerProcess[], modes: string[]) => () => {
    const mode = modes[Math.min(servers.length, modes.length - 1)] ?? 'normal';
    const script = `printf 'Welcome\\nlm-transparency attached {"version": "0.1.0", "processId": 1, "started": true}\\n'
exec ${process.execPath} ${SERVER} ${mode}
`;
    const options = { cwd: tmpdir(), env, onLine: () => undefined };
    const server = mode.startsWith('exit')
      ? launchAttached(['sh', '-c', `echo "${mode.slice(6)}" >&2; exit 255`], 'gpu1', '', options)
      : launchAttached(['sh', '-s'], 'gpu1', script, options);
    servers.push(server);
    return server;
  };
  const linked = (...modes: string[]) => {
    const servers: ServerProcess[] = [];
    return { ...make([], { launch: bridge(servers, modes) }), servers };
  };

  it('asks again what was asked when the link broke, and knows the process again', async () => {
    const { backend, servers } = linked('same process hang once', 'same process');
    await analyze(backend, 'before');
    const before = backend.sessionId;
    const phases: string[] = [];
    backend.changed.listen(({ phase }) => phases.push(phase));
    const asked = analyze(backend, 'hang');
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(servers[0]?.pid ?? 0, 'SIGKILL');
    expect(await asked).toMatchObject({ runId: 'hang' });
    expect([phases[0], phases.at(-1)]).toEqual(['reconnecting', 'running']);
    expect(phases).not.toContain('failed');
    expect(backend.sessionId).toBe(before);
    expect(servers).toHaveLength(2);
  });

  it('says goodbye to a server of another protocol, which would wait for it', async () => {
    const { backend, servers } = linked('old');
    expect(await failureOf(analyze(backend, 'a'))).toMatchObject({ kind: 'backendOutdated' });
    await expect.poll(() => servers[0]?.lastLines()).toContain('goodbye');
  });

  it('tries again until the host answers', async () => {
    const away = 'exit: ssh: connect to host gpu1 port 22: No route to host';
    const { backend, servers } = linked('normal', away, away, 'normal');
    await analyze(backend, 'before');
    process.kill(servers[0]?.pid ?? 0, 'SIGKILL');
    await until(backend, ({ phase }) => phase === 'reconnecting');
    expect(await analyze(backend, 'after')).toMatchObject({ runId: 'after' });
    expect(servers).toHaveLength(4);
  });

  it('names what is in the way of the first connection, and does not try again', async () => {
    const { backend, servers } = linked('exit: Host key verification failed.');
    const failure = await failureOf(analyze(backend, 'a'));
    expect(failure).toMatchObject({ kind: 'hostUnreachable', remedy: expect.stringMatching(/Run `ssh gpu1` once/) });
    expect(backend.status.phase).toBe('failed');
    expect(servers).toHaveLength(1);
  });

  it('stops retrying on request', async () => {
    const { backend, servers } = linked('normal', 'exit: Connection timed out');
    await analyze(backend, 'before');
    process.kill(servers[0]?.pid ?? 0, 'SIGKILL');
    await until(backend, ({ phase }) => phase === 'reconnecting');
    await backend.stop();
    const tries = servers.length;
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(servers).toHaveLength(tries);
    expect(backend.status.phase).toBe('stopped');
  });

  it.each([
    [{ code: null, signal: 'SIGKILL', outOfMemory: true }, 'outOfMemory', /ran out of memory/],
    [{ code: null, signal: 'SIGSEGV', outOfMemory: false }, 'backendStopped', /crashed \(SIGSEGV\)/],
  ])('tells %j as the end of the server, and restarts once', (end, kind, message) => {
    const line = `lm-transparency ended ${JSON.stringify({ ...end, lines: [] })}`;
    const link = { host: 'gpu1', attached: new Promise<never>(() => undefined), heardAt: () => 0 };
    const exit = { code: 5, signal: null, problem: '' };
    const [first, second] = [0, 1].map((restarts) => afterBridge(exit, restarts, [line], link, true));
    expect(first).toMatchObject({ next: 'restart', failure: { kind, message: expect.stringMatching(message) } });
    expect(second?.next).toBe('stop');
  });
});
