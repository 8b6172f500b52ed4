import { describe, expect, it } from 'vitest';
import { parseProbe, type FullProbe } from '../../extension/src/setUp/probe';
import {
  explainInstall,
  explainNoBase,
  isConstraintTrouble,
  judgeBase,
  pipArgv,
  readPipLine,
  venvArgv,
} from '../../extension/src/setUp/setUpSteps';
import { wheelVersion } from '../../extension/src/setUp/wheel';

const GOOD: FullProbe = {
  version: [3, 12],
  backend: null,
  executable: '/usr/bin/python3.12',
  hasVenv: true,
  is64Bit: true,
  problem: '',
};

describe('an interpreter to build from', () => {
  it('says what it is', () => {
    const line =
      'lm-transparency-probe:{"version": [3, 11], "backend": "0.1.0", "executable": "C:\\\\py.exe", "venv": true, "wide": true}';
    expect(parseProbe(`noise\r\n${line}\r\nmore`)).toEqual({
      version: [3, 11],
      backend: '0.1.0',
      executable: 'C:\\py.exe',
      hasVenv: true,
      is64Bit: true,
      problem: '',
    });
    expect(parseProbe('Python was not found; run without arguments to install from the Microsoft Store')).toBeNull();
    expect(parseProbe('lm-transparency-probe:{broken')).toBeNull();
    expect(parseProbe('lm-transparency-probe:{"version": "3"}')).toBeNull();
  });

  it.each([
    [GOOD, true],
    [{ ...GOOD, version: [3, 10] }, true],
    [{ ...GOOD, version: [3, 9] }, false],
    [{ ...GOOD, version: [2, 7] }, false],
    [{ ...GOOD, hasVenv: false }, false],
    [{ ...GOOD, is64Bit: false }, false],
    [{ ...GOOD, problem: 'not found' }, false],
  ] as [FullProbe, boolean][])('%#', (probe, usable) => {
    expect(judgeBase(probe).usable).toBe(usable);
  });

  it.each([
    [[], 'linux', /No Python was found/, /package manager/],
    [[{ ...GOOD, problem: 'not found' }], 'darwin', /No Python was found/, /brew install/],
    [[], 'win32', /No Python was found/, /Microsoft Store/],
    [[{ ...GOOD, version: [3, 8] }], 'linux', /needs Python 3\.10 or newer; found: 3\.8/, /Install Python/],
    [
      [
        { ...GOOD, hasVenv: false },
        { ...GOOD, version: [3, 8] },
      ],
      'linux',
      /3\.12 is installed, but its venv/,
      /apt install python3\.12-venv/,
    ],
    [[{ ...GOOD, is64Bit: false }], 'win32', /32-bit/, /64-bit/],
  ] as const)('when there is none: %#', (probes, platform, message, remedy) => {
    const trouble = explainNoBase(probes as readonly FullProbe[], platform);
    expect(trouble.message).toMatch(message);
    expect(trouble.remedy).toMatch(remedy);
  });
});

describe('the commands of set-up', () => {
  const bundle = {
    wheel: '/ext dir/backend/lm_transparency-0.1.0-py3-none-any.whl',
    version: '0.1.0',
    constraints: '/ext dir/backend/constraints.txt',
  };

  it('are argv, one word an item', () => {
    expect(venvArgv('/usr/bin/python3', '/s/env/ab')).toEqual([
      '/usr/bin/python3',
      '-I',
      '-m',
      'venv',
      '--clear',
      '/s/env/ab',
    ]);
    const argv = pipArgv('/e/bin/python', bundle, ['--extra-index-url', 'https://x'], true);
    expect(argv.slice(0, 4)).toEqual(['/e/bin/python', '-m', 'pip', 'install']);
    expect(argv.slice(-5)).toEqual([
      '--constraint',
      bundle.constraints,
      '--extra-index-url',
      'https://x',
      bundle.wheel,
    ]);
  });

  it('can leave the constraints out', () => {
    expect(pipArgv('p', bundle, [], false)).not.toContain('--constraint');
    expect(pipArgv('p', { ...bundle, constraints: null }, [], true)).not.toContain('--constraint');
  });

  it('know a wheel by its name', () => {
    expect(wheelVersion('lm_transparency-0.1.0-py3-none-any.whl')).toBe('0.1.0');
    expect(wheelVersion('torch-2.13.0-cp312-cp312-linux_x86_64.whl')).toBeNull();
    expect(wheelVersion('constraints.txt')).toBeNull();
  });

  it.each([
    ['Collecting torch==2.13.0 (from -c constraints.txt)', 'Looking up torch'],
    ['  Downloading torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl (887.9 MB)', 'Downloading torch (887.9 MB)'],
    ['  Downloading https://host/a/b/numpy-2.4.6-cp312.whl.metadata (6.6 kB)', 'Downloading numpy (6.6 kB)'],
    ['Installing collected packages: mpmath, torch, transformers', 'Installing 3 packages'],
    ['Requirement already satisfied: pip', null],
    ['', null],
  ])('say how far they are: %s', (line, message) => {
    expect(readPipLine(line)).toBe(message);
  });
});

describe('what went wrong', () => {
  it.each([
    ['ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device', /disk is full/],
    ['OSError: [WinError 112] There is not enough space on the disk', /disk is full/],
    [
      "WARNING: Retrying … ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))\nERROR: No matching distribution found for torch",
      /proxy/,
    ],
    [
      'SSLError(SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]"))\nERROR: No matching distribution found for torch',
      /trusted/,
    ],
    [
      "NewConnectionError('<x>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')\nERROR: No matching distribution found for torch",
      /could not be reached/,
    ],
    ['getaddrinfo failed', /could not be reached/],
    [
      'The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian/Ubuntu systems',
      /venv module/,
    ],
    [
      'HINT: This error might have occurred since this system does not have Windows Long Path support enabled.',
      /longer than Windows allows/,
    ],
    ['ImportError: DLL load failed while importing _C', /Windows cannot load it/],
    ["ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", /permission denied/],
    ['ERROR: No matching distribution found for numpy==2.4.6', /does not exist for this Python/],
    ['something else', /Installing the backend failed/],
  ])('%#', (output, message) => {
    const trouble = explainInstall(output, '', 'linux');
    expect(trouble.message).toMatch(message);
    expect(trouble.remedy).not.toBe('');
  });

  it('only real conflicts are tried again without the tested versions', () => {
    expect(isConstraintTrouble('ERROR: No matching distribution found for numpy==2.4.6')).toBe(true);
    expect(isConstraintTrouble('Failed to establish a new connection\nNo matching distribution found for numpy')).toBe(
      false,
    );
    expect(isConstraintTrouble('No space left on device')).toBe(false);
  });
});
