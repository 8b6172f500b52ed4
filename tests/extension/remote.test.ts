import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Memento } from 'vscode';
import { afterAll, describe, expect, it } from 'vitest';
import type { Health, ModelInfo } from '../../extension/shared/protocol';
import { Failure } from '../../extension/src/failure';
import { statusView } from '../../extension/src/backend/health';
import { Visit } from '../../extension/src/backend/visit';
import { attachScript } from '../../extension/src/remote/attachCommand';
import { configuredHosts, refuseHost } from '../../extension/src/remote/hosts';
import { baseOf, machineScript, readMachine, refuseMachine } from '../../extension/src/remote/machine';
import { quote, quoteAll } from '../../extension/src/remote/quote';
import { builtPython, setUpScript } from '../../extension/src/remote/setUpScript';
import { sshArgv } from '../../extension/src/link/ssh';
import { Targets } from '../../extension/src/remote/target';
import { checkSettings } from '../../extension/src/settings';

const ODD = [
  '',
  ' ',
  "it's",
  '"double"',
  '$(touch pwned)',
  '`touch pwned`',
  'a;touch pwned',
  'a\ntouch pwned\n',
  '-oProxyCommand=touch pwned',
  '\\',
  "\\'",
  '!x',
  '*',
  '~',
  '#',
  'ü → 日本',
  '&& touch pwned',
  '\t',
  '%h',
];
const SHELLS = ['sh', 'bash', 'dash', 'zsh', 'ksh'].filter((shell) => spawnSync(shell, ['-c', ':']).status === 0);

describe('the quoting', () => {
  it.each(SHELLS)('gives %s each word as it is, and runs nothing', (shell) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'quote-'));
    try {
      const program = `for word in ${quoteAll(ODD)}; do printf '%s\\0' "$word"; done`;
      const output = execFileSync(shell, ['-s'], { input: program, cwd: folder, encoding: 'utf8' });
      expect(output.split('\0').slice(0, -1)).toEqual(ODD);
      expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses what no shell can hold', () => {
    expect(() => quote('a\0b')).toThrow();
  });

  it.each(ODD)('an interpreter called %j is not found, and runs nothing', (python) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'attach-'));
    try {
      const script = attachScript(python, []).replace('cd /;', '');
      const result = spawnSync('sh', ['-s'], { input: script, cwd: folder, env: { PATH: '/nowhere' } });
      expect(result.status).not.toBe(0);
      expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a host', () => {
  it.each(['gpu1', 'me@gpu1.example.org', 'user.name@10.0.0.1', '::1', 'fe80::1%eth0', 'a_b', '127.0.0.1'])(
    '%s is one',
    (host) => expect(refuseHost(host)).toBeNull(),
  );
  it.each([
    ...ODD,
    '-l',
    'me@-oProxyCommand=x',
    '-oProxyCommand=x@host',
    'a b',
    'ssh://host',
    'a@b@c',
    'host;x',
    "ho'st",
    'x'.repeat(300),
  ])('%j is none', (host) => expect(refuseHost(host)).toMatch(/A host is/));

  it('comes after --, with host keys checked and no prompts', () => {
    const argv = sshArgv('gpu1', { program: '', configFile: '' });
    expect(argv.slice(-3)).toEqual(['--', 'gpu1', 'exec /bin/sh -s']);
    expect(argv).toEqual(expect.arrayContaining(['BatchMode=yes', 'StrictHostKeyChecking=yes']));
    expect(sshArgv('gpu1', { program: '/opt/ssh', configFile: '/c' }).slice(0, 3)).toEqual(['/opt/ssh', '-F', '/c']);
    expect(argv).not.toContain('ControlPath=none');
    expect(sshArgv('gpu1', { program: '', configFile: '' }, true)).toContain('ControlPath=none');
  });
});

describe('the hosts of an ssh config', () => {
  const files = (contents: Record<string, string>) => ({
    home: '/home/me',
    read: (file: string) => Promise.resolve(contents[file] ?? null),
    list: (folder: string) =>
      Promise.resolve(
        Object.keys(contents)
          .filter((file) => path.dirname(file) === folder)
          .map((file) => path.basename(file)),
      ),
  });

  it('are those that are named, also in included files, and no patterns', async () => {
    const config = files({
      '/home/me/.ssh/config': [
        'Include conf.d/*.conf',
        '# Host commented',
        'Host gpu1 gpu2 *.example.org !gpu3',
        '  HostName 10.0.0.1',
        'host=quoted-key',
        'Host "with space" -oProxyCommand=x',
        'Match host gpu9',
        '  HostName never',
        'Include ~/elsewhere',
        'Host *',
        '  User me',
      ].join('\n'),
      '/home/me/.ssh/conf.d/a.conf': 'Host cluster\nHostName login.cluster.org\n',
      '/home/me/.ssh/conf.d/b.txt': 'Host not-included\n',
      '/home/me/elsewhere': 'Host elsewhere\nInclude ~/elsewhere\n',
    });
    expect(await configuredHosts('/home/me/.ssh/config', config)).toEqual([
      { name: 'cluster', address: 'login.cluster.org' },
      { name: 'gpu1', address: '10.0.0.1' },
      { name: 'gpu2', address: '10.0.0.1' },
      { name: 'quoted-key', address: '' },
      { name: 'elsewhere', address: '' },
    ]);
  });

  it('are none where there is no config', async () => {
    expect(await configuredHosts('/home/me/.ssh/config', files({}))).toEqual([]);
  });
});

describe('a look at a machine', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'look-'));
  const output = execFileSync('sh', ['-s'], {
    input: machineScript(['/nowhere/python', "/tmp/it's $(touch pwned)", '~/$(touch pwned)', '~/nothing']),
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, XDG_DATA_HOME: '/nowhere/at/all' },
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('reports what it is, in one script for a plain shell, and executes no path', () => {
    expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('');
    const machine = readMachine(`Welcome!\nmotd${output}`);
    expect(machine).toMatchObject({ system: 'Linux', data: '/nowhere/at/all/lm-transparency', own: null, uv: '' });
    expect(machine?.freeBytes).toBeGreaterThan(0);
    expect(machine?.home).toBe(process.env['HOME']);
    const base = machine && baseOf(machine);
    expect(base?.version?.[0]).toBe(3);
    expect(machine && refuseMachine('here', machine)).toBeNull();
  });

  it('is nothing where it did not come to its end', () => {
    expect(readMachine(output.replace(/end\n$/, ''))).toBeNull();
    expect(readMachine('command not found')).toBeNull();
  });

  it('reads GPUs, and not a driver that is out of order', () => {
    const withGpus = output.replace(
      /\nuv /,
      '\ngpu NVIDIA L4, 23034, 22563\ngpu NVIDIA-SMI has failed because it could not talk\nuv ',
    );
    expect(readMachine(withGpus)?.gpus).toEqual([
      { name: 'NVIDIA L4', memoryBytes: 23034 * 1048576, freeBytes: 22563 * 1048576 },
    ]);
  });

  it.each([
    ['Windows_NT', 'x86_64', /runs Windows_NT/],
    ['Linux', 'armv7l', /no PyTorch for here/],
  ])('refuses %s on %s', (system, architecture, words) => {
    const machine = readMachine(output);
    if (!machine) throw new Error('no look');
    expect(refuseMachine('here', { ...machine, system, architecture })?.message).toMatch(words);
  });
});

describe('the set-up of a host', () => {
  const set = (data: string, base: string) => ({
    data,
    id: '01234567',
    base,
    uv: '',
    cpuOnly: false,
    pipArguments: [],
    version: '0.1.0',
  });
  const bytes = new Uint8Array(300_000).map((_, index) => (index * 7919) % 256);
  const wheel = { name: 'lm_transparency-0.1.0-py3-none-any.whl', bytes };
  const run = (data: string, base: string, uv = '') =>
    spawnSync('sh', ['-s'], { input: setUpScript({ ...set(data, base), uv }, [wheel]), encoding: 'utf8' });

  it('receives files whole inside of the script, and leaves nothing when a step fails', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'set-up-'));
    // in place of an interpreter: keeps what has arrived, and makes no environment
    const base = path.join(folder, "base ' it");
    try {
      const keep = `cp "${folder}"/data/env/*.parcel/*.whl "${folder}/arrived"`;
      const script = `#!/bin/sh\ncase "$*" in *venv*) ${keep}; exit 1;; esac\nexec python3 "$@"\n`;
      execFileSync('sh', ['-c', 'cat >"$0" && chmod +x "$0"', base], { input: script });
      const result = run(path.join(folder, 'data'), base);
      expect(result.status).toBe(71);
      expect(result.stdout).toContain('@step Creating an environment');
      expect(readFileSync(path.join(folder, 'arrived')).equals(Buffer.from(bytes))).toBe(true);
      expect(execFileSync('ls', ['-A', path.join(folder, 'data', 'env')], { encoding: 'utf8' })).toBe('');
      expect(builtPython(result.stdout)).toBeNull();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('tries no other installer when the disk fills up, and another one when it does not', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'set-up-'));
    const uv = path.join(folder, 'uv');
    // makes an environment whose interpreter only tells that it was asked, and fails to install
    const script = (words: string) =>
      `#!/bin/sh\nfor last in "$@"; do :; done\n` +
      `[ "$1" = venv ] && mkdir -p "$last/bin" && printf '#!/bin/sh\necho "asked $2" >>${folder}/tried\nexit 1\n' ` +
      `>"$last/bin/python" && chmod +x "$last/bin/python" && exit\necho uv >>${folder}/tried; echo '${words}' >&2; exit 2\n`;
    try {
      for (const [words, status, tried] of [
        ['failed to write: No space left on device (os error 28)', 74, ['uv']],
        ['a package is missing', 70, ['uv', 'asked pip', 'uv', 'asked pip']],
      ] as const) {
        rmSync(path.join(folder, 'tried'), { force: true });
        execFileSync('sh', ['-c', 'cat >"$0" && chmod +x "$0"', uv], { input: script(words) });
        const result = run(path.join(folder, 'data'), 'python3', uv);
        expect([result.status, result.stdout.includes(words)]).toEqual([status, true]);
        expect(readFileSync(path.join(folder, 'tried'), 'utf8').trim().split('\n')).toEqual(tried);
        expect(execFileSync('ls', ['-A', path.join(folder, 'data', 'env')], { encoding: 'utf8' })).toBe('');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says so when the disk is full', () => {
    const result = run('/dev/full/data', '/usr/bin/python3');
    expect(result.status).toBe(73);
    expect(result.stderr).toMatch(/full/);
  });
});

describe('the settings of hosts', () => {
  it('count only where they are of the right kind', () => {
    const { remoteHosts } = checkSettings((key) =>
      key === 'remote.hosts'
        ? { a: { python: ' /p ', wrapper: ['srun', 3, '-n1'] }, b: 'x', c: { python: 4 } }
        : undefined,
    );
    expect(remoteHosts).toEqual({
      a: { python: '/p', wrapper: ['srun', '-n1'] },
      b: { python: '', wrapper: [] },
      c: { python: '', wrapper: [] },
    });
  });
});

describe('the status of a host', () => {
  const target = { host: 'gpubox', python: '/p', home: '/h', gpu: '' };
  const gpu = { id: 'cuda:0', name: 'NVIDIA H100', memoryBytes: 85e9, freeBytes: 61.2e9 };
  const loaded = { source: 'org/m', name: 'm', device: 'cuda:0', dtype: 'bfloat16' } as ModelInfo;
  const health = {
    state: 'ready',
    message: 'Ready.',
    devices: [gpu],
    loaded: [loaded],
    traces: { nRuns: 0 },
  } as unknown as Health;

  it('shows host, model, GPU and what is free of it', () => {
    const view = statusView({ phase: 'running', health, failure: null }, 'org/m', target);
    expect(view).toMatchObject({
      text: 'm',
      detail: 'gpubox · cuda:0 · bfloat16 · NVIDIA H100, 61.2 GB free',
      severity: 'information',
    });
  });

  it('says that the link is being made again', () => {
    const view = statusView({ phase: 'reconnecting', health: null, failure: null }, 'org/m', target);
    expect(view).toMatchObject({ detail: 'reconnecting to gpubox', severity: 'warning', busy: true });
  });

  it.each([
    ['hostUnreachable', 'lmTransparency.connectRemote'],
    ['remoteOutdated', 'lmTransparency.setUpRemote'],
  ] as const)('offers what helps against %s', (kind, command) => {
    const failure = new Failure(kind, 'x');
    expect(statusView({ phase: 'failed', health: null, failure }, '', target).command.id).toBe(command);
  });
});

describe('a visit to the backend', () => {
  it('was just now, or not at all', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'visit-'));
    try {
      const visit = new Visit(path.join(folder, 'window'));
      expect(visit.wasJustNow()).toBe(false);
      visit.leave();
      expect(visit.wasJustNow()).toBe(true);
      utimesSync(path.join(folder, 'window', 'left'), 0, 0);
      expect(visit.wasJustNow()).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the host that is in use', () => {
  const memento = (kept: Record<string, unknown> = {}) =>
    ({
      get: (key: string) => kept[key],
      update: (key: string, value: unknown) => Promise.resolve(void (kept[key] = value)),
      keys: () => [],
    }) as unknown as Memento & { setKeysForSync(): void };

  it('is remembered for the workspace, and among the recent ones for all', async () => {
    const targets = new Targets(memento(), memento(), '/home/me');
    await targets.use({ host: 'a', python: '/p', home: '/h', gpu: 'L4' });
    await targets.use({ host: 'b', python: '/p', home: '/h', gpu: '' });
    await targets.use({ host: 'a', python: '/q', home: '/h', gpu: 'L4' });
    expect(targets.current).toMatchObject({ host: 'a', python: '/q' });
    expect(targets.recent.map(({ host }) => host)).toEqual(['a', 'b']);
    expect(targets.place()).toEqual({ platform: 'linux', home: '/h', isRemote: true });
    await targets.use(null);
    expect(targets.current).toBeNull();
  });

  it.each([{ host: '-oProxyCommand=x', python: '/p' }, { host: 'a', python: 'relative' }, 'a', null, { host: 'a' }])(
    'is not what was stored as %j',
    (stored) => {
      expect(new Targets(memento({ 'remote.target': stored }), memento(), '/').current).toBeNull();
    },
  );
});
