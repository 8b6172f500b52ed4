import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Environments } from '../../extension/src/setUp/environment';
import { currentPlatform, interpreterOf } from '../../extension/src/setUp/paths';
import { probePython } from '../../extension/src/setUp/probe';
import { runProcess } from '../../extension/src/setUp/runProcess';
import { setUp, type SetUpWorld } from '../../extension/src/setUp/setUp';
import { findBundle } from '../../extension/src/setUp/wheel';
import { CancelSource } from '../../extension/src/cancel';

const platform = currentPlatform();
const PYTHON = ['python3', 'python'].find((name) => {
  try {
    execFileSync(name, ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
});
const env = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => !!entry[1]));

// a wheel that needs nothing; `slow` ones hang in the check, so that there is something to cancel
const WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("lm_transparency/__init__.py", "")
    z.writestr("lm_transparency-0.1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: lm-transparency\\nVersion: 0.1.0\\n" + sys.argv[2])
    z.writestr("lm_transparency-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    z.writestr("lm_transparency-0.1.0.dist-info/RECORD", "")
`;

let storage: string;
beforeEach(async () => {
  storage = path.join(await mkdtemp(path.join(tmpdir(), 'lmt set-up-')), 'störage');
  await mkdir(storage);
});
afterEach(() => rm(path.dirname(storage), { recursive: true, force: true }));

async function world(parts: Partial<SetUpWorld> = {}, metadata = '') {
  const backend = path.join(storage, 'backend');
  await mkdir(backend);
  const wheel = path.join(backend, 'lm_transparency-0.1.0-py3-none-any.whl');
  execFileSync(PYTHON ?? '', ['-c', WHEEL, wheel, metadata]);
  await writeFile(path.join(backend, 'constraints.txt'), 'numpy==0.0.0\n');
  const bundle = await findBundle(backend);
  if (!bundle) return expect.unreachable('the wheel should be found');
  const log: string[] = [];
  const reports: string[] = [];
  const environments = new Environments(storage, platform);
  const whole: SetUpWorld = {
    platform,
    storage,
    env: { ...process.env, PYTHONPATH: '/nowhere' },
    environments,
    bundle,
    bases: [['no-such-python'], [PYTHON ?? '']],
    pipArguments: ['--no-index'],
    check: (python) => [python, '-c', 'import lm_transparency'],
    log: (line) => log.push(line),
    report: (message) => reports.push(message),
    cancel: new CancelSource().token,
    ...parts,
  };
  return { whole, environments, log, reports };
}

const folders = () => readdir(path.join(storage, 'env')).catch(() => []);

describe.skipIf(!PYTHON)('set-up', { timeout: 120_000 }, () => {
  it('builds an environment with the wheel, and only then makes it the current one', async () => {
    const { whole, environments, log, reports } = await world();
    expect(await environments.current()).toBeNull();
    const result = await setUp(whole);
    expect(result).toMatchObject({ done: true });
    const current = await environments.current();
    expect(current?.version).toBe('0.1.0');
    const probe = await probePython([current?.python ?? ''], { cwd: storage, env });
    expect(probe).toMatchObject({ backend: '0.1.0', problem: '' });
    expect(log[0]).toBe('no-such-python: not found');
    expect(reports).toEqual([
      'Looking for Python',
      'Creating an environment',
      'Installing the backend',
      'Installing 1 packages',
      'Checking what was installed',
    ]);
  });

  it('a failed installation leaves nothing behind, and says why', async () => {
    const { whole, environments } = await world({}, 'Requires-Dist: no-such-package-at-all\n');
    expect(await setUp(whole)).toMatchObject({
      done: false,
      trouble: { message: 'A required package does not exist for this Python or platform.' },
    });
    expect(await environments.current()).toBeNull();
    expect(await folders()).toEqual([]);
  });

  it('is cancelled with all that it started', async () => {
    const cancel = new CancelSource();
    const { whole, environments } = await world({
      cancel: cancel.token,
      report: (message) => message.startsWith('Creating') && setTimeout(() => cancel.cancel(), 400),
    });
    await expect(setUp(whole)).rejects.toMatchObject({ kind: 'cancelled' });
    expect(await environments.current()).toBeNull();
    expect(await folders()).toEqual([]);
    expect(await programsThatMention(storage)).toEqual([]);
  });

  it('says what to install when there is no Python', async () => {
    const { whole } = await world({ bases: [['no-such-python']] });
    expect(await setUp(whole)).toMatchObject({
      done: false,
      trouble: { message: 'No Python was found on this machine.' },
    });
  });
});

/** Command lines of running programs that mention a folder. */
async function programsThatMention(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(folder));
}

describe('environments', () => {
  it('count only when they are named in the record', async () => {
    const environments = new Environments(storage, platform);
    const folder = await environments.create();
    expect(await environments.current()).toBeNull();
    await environments.finish(folder, '1.2.3');
    expect(await environments.current()).toEqual({ python: interpreterOf(folder, platform), version: '1.2.3' });
  });

  it('a record that was tampered with names none', async () => {
    const environments = new Environments(storage, platform);
    for (const text of ['', '{', '[]', '{"folder":"../../x","version":"1"}', '{"folder":"0123abcd"}']) {
      await writeFile(path.join(storage, 'environment.json'), text);
      expect(await environments.current()).toBeNull();
    }
  });

  it('removes old leftovers but not recent ones, which another window may be building', async () => {
    const environments = new Environments(storage, platform);
    const [current, old, young] = [
      await environments.create(),
      await environments.create(),
      await environments.create(),
    ];
    await environments.finish(current, '1');
    const past = new Date(Date.now() - 2 * 3_600_000);
    for (const folder of [current, old]) await utimes(folder, past, past);
    await environments.tidy();
    expect((await folders()).sort()).toEqual([path.basename(current), path.basename(young)].sort());
  });
});

describe('a program that is run', () => {
  const node = (script: string) => [process.execPath, '-e', script];

  it('gives its lines and its exit code', async () => {
    const lines: string[] = [];
    const onLine = (line: string) => lines.push(line);
    const result = await runProcess(node('console.log("ö\\r\\nb"); console.error("c"); process.exit(7)'), {
      cwd: storage,
      env,
      onLine,
    });
    expect(result).toMatchObject({ code: 7, problem: '' });
    expect(lines.sort()).toEqual(['b', 'c', 'ö']);
  });

  it('is ended when it neither says nor does anything', async () => {
    const result = await runProcess(node('setInterval(() => 0, 1e6)'), { cwd: storage, env, silenceMs: 400 });
    expect(result).toMatchObject({ code: null, problem: 'silent for 0 s' });
  });

  it.skipIf(process.platform === 'win32')('goes on as long as it works, or says something', async () => {
    const work = 'for (const end = Date.now() + 1500; Date.now() < end;);';
    const speech =
      'const timer = setInterval(() => console.log("a"), 50); setTimeout(() => clearInterval(timer), 1000)';
    for (const script of [work, speech])
      expect(await runProcess(node(script), { cwd: storage, env, silenceMs: 400 })).toMatchObject({ problem: '' });
  });

  it('is ended with its children when it is cancelled', async () => {
    const cancel = new CancelSource();
    const child = `require("child_process").spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"]).pid`;
    let pid = 0;
    const onLine = (line: string) => {
      pid = Number(line);
      cancel.cancel();
    };
    const running = runProcess(node(`console.log(${child}); setInterval(() => 0, 1000)`), {
      cwd: storage,
      env,
      cancel: cancel.token,
      onLine,
    });
    await expect(running).rejects.toMatchObject({ kind: 'cancelled' });
    await expect.poll(() => runs(pid)).toBe(false);
  });

  it('gets its arguments as they are, without a shell', async () => {
    const nasty = '$(touch x); "a b" %PATH% `id`';
    const result = await runProcess([...node('console.log(process.argv[1])'), nasty], { cwd: storage, env });
    expect(result.output.trim()).toBe(nasty);
  });
});

// a process that has ended and was not collected yet still has a pid
async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
