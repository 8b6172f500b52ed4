import { describe, expect, it } from 'vitest';
import { findPython, type Probe, type Surroundings } from '../../extension/src/setUp/findPython';

const GOOD: Probe = { version: [3, 12], backend: '0.1.0', problem: '' };

function around(parts: Partial<Surroundings> & { files?: string[]; probes?: Record<string, Probe> } = {}) {
  const log: string[] = [];
  const { files = [], probes = {}, ...rest } = parts;
  const surroundings: Surroundings = {
    platform: 'linux',
    home: '/home/ada',
    setting: '',
    variable: '',
    own: null,
    bundled: '0.1.0',
    selected: () => Promise.resolve(null),
    isFile: (file) => Promise.resolve(files.includes(file)),
    probe: (python) => Promise.resolve(probes[python] ?? GOOD),
    log: (line) => log.push(line),
    ...rest,
  };
  return { surroundings, log };
}

const OWN = { python: '/store/env/1/bin/python', version: '0.1.0' };

describe('findPython', () => {
  it('takes the setting before everything else', async () => {
    const { surroundings, log } = around({ setting: '/opt/py', files: ['/opt/py', OWN.python], own: OWN });
    expect(await findPython(surroundings)).toMatchObject({ found: true, python: '/opt/py', origin: 'setting' });
    expect(log.join('\n')).toContain('using /opt/py from the setting');
  });

  it('takes the environment variable where nothing is set, and never skips one that does not work', async () => {
    const named = around({ variable: '/repo/.venv/bin/python', files: ['/repo/.venv/bin/python'], own: OWN });
    expect(await findPython(named.surroundings)).toMatchObject({ found: true, origin: 'variable' });
    const both = around({ setting: '/opt/py', variable: '/repo/py', files: ['/opt/py', '/repo/py'] });
    expect(await findPython(both.surroundings)).toMatchObject({ python: '/opt/py', origin: 'setting' });
    const gone = around({ variable: '/gone', files: [OWN.python], own: OWN });
    const choice = await findPython(gone.surroundings);
    expect(choice).toMatchObject({ found: false, message: expect.stringContaining('LM_TRANSPARENCY_PYTHON') });
  });

  it.each([
    ['linux', '/home/ada/venv', '/home/ada/venv/bin/python'],
    ['linux', '~/venv', '/home/ada/venv/bin/python'],
    ['darwin', '/opt/homebrew/envs/lm', '/opt/homebrew/envs/lm/bin/python'],
    ['win32', 'C:\\venvs\\lm', 'C:\\venvs\\lm\\Scripts\\python.exe'],
    ['win32', 'C:\\conda\\envs\\lm', 'C:\\conda\\envs\\lm\\python.exe'],
    ['win32', '"C:\\Program Files\\Python312\\python.exe"', 'C:\\Program Files\\Python312\\python.exe'],
  ] as const)('on %s understands %s in the setting', async (platform, setting, python) => {
    const { surroundings } = around({ platform, setting, files: [python] });
    expect(await findPython(surroundings)).toMatchObject({ found: true, python });
  });

  it.each([
    ['relative/python', [], GOOD, 'is not an absolute path'],
    ['/gone', [], GOOD, 'does not exist'],
    ['/bad', ['/bad'], { version: null, backend: null, problem: 'EACCES' }, 'could not be run: EACCES'],
    [
      '/old',
      ['/old'],
      { version: [3, 9], backend: '0.1.0', problem: '' },
      'is Python 3.9; the backend needs 3.10 or newer',
    ],
    [
      '/bare',
      ['/bare'],
      { version: [3, 12], backend: null, problem: '' },
      'does not have the package lm-transparency installed',
    ],
  ] as [string, string[], Probe, string][])(
    'never skips a setting that does not work: %s',
    async (setting, files, probe, why) => {
      const { surroundings } = around({
        setting,
        files: [...files, OWN.python],
        probes: { [setting]: probe },
        own: OWN,
      });
      const choice = await findPython(surroundings);
      expect(choice).toMatchObject({ found: false, reason: 'settingUnusable' });
      expect(choice).toHaveProperty('message', `The interpreter in lmTransparency.backend.python ${why}.`);
    },
  );

  it('takes our own environment without asking the Python extension', async () => {
    const selected = () => Promise.reject(new Error('asked'));
    const { surroundings } = around({ own: OWN, files: [OWN.python], selected });
    expect(await findPython(surroundings)).toMatchObject({
      found: true,
      python: OWN.python,
      origin: 'own environment',
    });
  });

  it('does not run an environment of another version', async () => {
    const { surroundings } = around({ own: { ...OWN, version: '0.0.9' }, files: [OWN.python] });
    expect(await findPython(surroundings)).toMatchObject({ found: false, reason: 'outdated' });
  });

  it('takes the interpreter of the Python extension when it has the backend', async () => {
    const { surroundings } = around({ selected: () => Promise.resolve('/proj/.venv/bin/python') });
    expect(await findPython(surroundings)).toMatchObject({ found: true, origin: 'Python extension' });
  });

  it.each([
    [{ version: [3, 12], backend: null, problem: '' }, 'lm-transparency is not installed in it'],
    [{ version: [3, 8], backend: '0.1.0', problem: '' }, 'Python 3.8'],
    [{ version: null, backend: null, problem: 'not found' }, 'not found'],
  ] as [Probe, string][])('says why the interpreter of the Python extension is unsuitable', async (probe, why) => {
    const { surroundings, log } = around({ selected: () => Promise.resolve('/x'), probes: { '/x': probe } });
    expect(await findPython(surroundings)).toMatchObject({ found: false, reason: 'notSetUp' });
    expect(log.at(-1)).toBe(`the Python extension's /x is unsuitable: ${why}`);
  });

  it('logs each step', async () => {
    const { surroundings, log } = around({ own: OWN });
    await findPython(surroundings);
    expect(log).toEqual([
      'lmTransparency.backend.python is not set',
      'LM_TRANSPARENCY_PYTHON is not set',
      `our environment has no interpreter any more: ${OWN.python}`,
      'the Python extension has no interpreter to offer',
    ]);
  });
});
