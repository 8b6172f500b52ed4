// The Python environment and its packages.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryPython, repositoryRoot } from '../host/paths.mjs';
import { InstallError } from '../host/steps.mjs';

/** @typedef {import('./runner.mjs').Stage} Stage */

const environment = join(repositoryRoot, '.venv');
const connection = "Check the connection and pip's proxy and index settings (`pip config list`), then run it again.";
const inputs = ['pyproject.toml', 'constraints.txt'];

/** @param {ReturnType<typeof import('./stamps.mjs').createStamps>} stamps @returns {Stage[]} */
export function pythonStages(stamps) {
  // a killed pip leaves half a package behind, and later takes it for a whole one
  const installed = ['venv', 'python', 'python-tests'];
  const isHalfDone = () => installed.some(stamps.wasInterrupted);
  return [
    {
      name: 'venv',
      title: 'Python environment',
      lock: 'venv',
      isDone: () => existsSync(repositoryPython()) && !isHalfDone(),
      remedy: 'On Debian and Ubuntu: apt-get install python3-venv',
      async work({ run }) {
        for (const part of ['bin', 'include', 'lib', 'lib64', 'pyvenv.cfg'])
          rmSync(join(environment, part), { recursive: true, force: true });
        for (const name of installed.slice(1)) stamps.drop(name);
        await run([suitablePython(), '-m', 'venv', environment]);
      },
    },
    {
      name: 'python',
      title: 'Python packages',
      after: ['venv'],
      lock: 'venv',
      inputs,
      outputs: ['.venv/bin/lm-transparency'],
      isInstaller: true,
      remedy: connection,
      async work({ run, say }) {
        const torch =
          /^torch==\S+/m.exec(readFileSync(join(repositoryRoot, 'constraints.txt'), 'utf8'))?.[0] ?? 'torch';
        say('torch');
        // pinned and first: an open range would pull in gigabytes of CUDA libraries
        await run(pip(torch, 'setuptools', 'wheel'));
        say('transformers and others');
        await run(pip('--no-build-isolation', '-e', '.'));
      },
    },
    {
      name: 'python-tests',
      title: 'Python packages for tests and lint',
      after: ['python'],
      lock: 'venv',
      inputs,
      outputs: ['.venv/bin/ruff'],
      isInstaller: true,
      remedy: connection,
      work: ({ run }) => run(pip('--no-build-isolation', '-e', '.[dev]')),
    },
    {
      name: 'model',
      title: 'Embedded model',
      after: ['python'],
      inputs: ['python_backend/lm_transparency/model/embedded.py'],
      isInstaller: true,
      remedy: connection,
      async work({ run, log }) {
        await run([repositoryPython(), '-m', 'lm_transparency', 'models', '--prepare']);
        const folder = readFileSync(log, 'utf8').trimEnd().split('\n').at(-1) ?? '';
        return existsSync(folder) ? [folder] : [];
      },
    },
  ];
}

/** @param {string[]} args @returns {[string, ...string[]]} */
function pip(...args) {
  // not compiled: most of the thousands of modules are never imported
  const options = ['--no-compile', '--no-input', '--progress-bar=off', '--disable-pip-version-check'];
  return [repositoryPython(), '-m', 'pip', 'install', ...options, '-c', 'constraints.txt', ...args];
}

function suitablePython() {
  const chosen = process.env.PYTHON_FOR_VENV;
  const candidates = [...(chosen ? [chosen] : []), 'python3.12', 'python3.11', 'python3.13', 'python3.10', 'python3'];
  const test = 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))';
  const found = candidates.find((python) => spawnSync(python, ['-c', test], { stdio: 'ignore' }).status === 0);
  if (found) return found;
  throw new InstallError(
    'No Python 3.10 to 3.13 was found. Install one, or name it: PYTHON_FOR_VENV=/path/to/python make setup',
  );
}
