// A JupyterLab in its own environment, as users have it; the kernel runs the repository's Python.
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';
import { developmentCache, jupyterLabPackages, repositoryPython } from './paths.mjs';
import { InstallError, runLogged, stepReporter } from './steps.mjs';

const groupLeader = fileURLToPath(new URL('group-leader.mjs', import.meta.url));
const startMilliseconds = 60_000;
const step = stepReporter('jupyterlab');

/**
 * The Python of an environment with JupyterLab, made first when it is not there.
 * @returns {Promise<string>}
 */
export async function ensureJupyterLab() {
  const home = join(developmentCache(), jupyterLabPackages[0].replace('==', '-'));
  const python = join(home, 'bin', 'python');
  if (existsSync(python)) return python;
  return withLock(`${home}.lock`, async () => {
    if (!existsSync(python)) await step(`${jupyterLabPackages.join(', ')} from PyPI`, () => installInto(home));
    return python;
  });
}

/** @param {string} home */
async function installInto(home) {
  const draft = mkdtempSync(`${home}.installing-`);
  const removeDraft = () => rmSync(draft, { recursive: true, force: true });
  process.once('exit', removeDraft);
  try {
    const log = join(draft, 'install.log');
    const python = repositoryPython();
    const environment = join(draft, 'environment');
    await runLogged([python, '-m', 'venv', '--without-pip', environment], { log });
    const pip = ['-m', 'pip', '--python', join(environment, 'bin', 'python'), 'install', '--quiet', '--no-compile'];
    await runLogged([python, ...pip, '--disable-pip-version-check', ...jupyterLabPackages], { log });
    // renamed when complete; it may move, since it is only started as `python -m`
    renameSync(environment, home);
  } finally {
    removeDraft();
    process.removeListener('exit', removeDraft);
  }
}

/**
 * @typedef {object} RunningLab
 * @property {string} origin
 * @property {(name: string) => string} urlOf Opens a notebook of the folder.
 * @property {string} logFile
 * @property {() => Promise<void>} stop
 */

/**
 * Starts JupyterLab on a folder, its kernels on the repository's Python.
 * @param {{ folder: string, env?: Record<string, string> }} options
 * @returns {Promise<RunningLab>}
 */
export async function startJupyterLab({ folder, env = {} }) {
  const python = await ensureJupyterLab();
  const home = mkdtempSync(join(tmpdir(), 'jupyter-'));
  writeKernel(join(home, 'path', 'kernels', 'python3'));
  const settings = join(home, 'settings', '@jupyterlab', 'apputils-extension');
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, 'notification.jupyterlab-settings'), '{"fetchNews": "false", "checkForUpdates": false}');
  const logFile = join(home, 'jupyter.log');
  const output = openSync(logFile, 'a');
  const options = {
    'ServerApp.ip': '127.0.0.1',
    'ServerApp.port': '0',
    'ServerApp.root_dir': resolve(folder),
    'ServerApp.open_browser': 'False',
    'ServerApp.allow_root': 'True',
    'IdentityProvider.token': '',
    'LabApp.expose_app_in_browser': 'True',
  };
  const words = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const leader = spawn(process.execPath, [groupLeader, python, '-m', 'jupyterlab', ...words], {
    env: {
      ...process.env,
      JUPYTER_PATH: join(home, 'path'),
      JUPYTER_CONFIG_DIR: join(home, 'config'),
      JUPYTER_DATA_DIR: join(home, 'data'),
      JUPYTER_RUNTIME_DIR: join(home, 'runtime'),
      JUPYTERLAB_SETTINGS_DIR: join(home, 'settings'),
      JUPYTERLAB_WORKSPACES_DIR: join(home, 'workspaces'),
      ...env,
    },
    detached: true,
    stdio: ['pipe', output, output],
  });
  closeSync(output);
  /** @type {Promise<void>} */
  const ended = new Promise((resolveEnded) => leader.once('exit', () => resolveEnded()));
  const stop = async () => {
    leader.stdin?.end();
    await ended;
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const origin = await answering(logFile, () => leader.exitCode !== null);
    return { origin, urlOf: (name) => `${origin}/lab/tree/${encodeURIComponent(name)}`, logFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {string} folder */
function writeKernel(folder) {
  mkdirSync(folder, { recursive: true });
  const argv = [repositoryPython(), '-m', 'ipykernel_launcher', '-f', '{connection_file}'];
  writeFileSync(join(folder, 'kernel.json'), JSON.stringify({ argv, display_name: 'Python 3', language: 'python' }));
}

/** @param {string} log @param {() => boolean} isOver */
async function answering(log, isOver) {
  const deadline = Date.now() + startMilliseconds;
  while (Date.now() < deadline && !isOver()) {
    const origin = /http:\/\/127\.0\.0\.1:\d+/.exec(readFileSync(log, 'utf8'))?.[0];
    const answer = origin && (await fetch(`${origin}/api/status`).catch(() => null));
    if (origin && answer && answer.ok) return origin;
    await sleep(200);
  }
  const tail = readFileSync(log, 'utf8').split('\n').slice(-25).join('\n');
  throw new InstallError(`JupyterLab did not come up:\n${tail}`);
}
