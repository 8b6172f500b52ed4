// One code-server with our extension in it, in a process group of its own that ends with its starter.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensureCodeServer } from './install.mjs';
import { codeServerVersion } from './paths.mjs';
import { quietSettings, writeSettings } from './settings.mjs';
import { InstallError, runLogged } from './steps.mjs';

const groupLeader = fileURLToPath(new URL('group-leader.mjs', import.meta.url));
const startMilliseconds = 60_000;
// A socket's path may have 107 characters, and VS Code appends a name of about 50 to this folder.
const longestTemporaryPath = 50;

/** @typedef {import('./settings.mjs').Settings} Settings */

/**
 * @typedef {object} ServerOptions
 * @property {string | string[]} [vsix] The extensions to install.
 * @property {string} folder The folder that the workbench opens.
 * @property {number} [port] 0 means any free one.
 * @property {Settings} [userSettings] Laid over the quiet settings.
 * @property {Settings} [machineSettings] For scopes `machine` and `machine-overridable`, which a remote window reads nowhere else.
 * @property {string} [workDir] The folder for all that the server writes. Kept if given, otherwise temporary.
 * @property {string[]} [extraArgs] More arguments for code-server.
 * @property {boolean} [withTrust] Folders have to be trusted first; the user settings have to turn that on too.
 * @property {Record<string, string | undefined>} [env] Laid over this process's environment.
 */

/**
 * @typedef {object} RunningServer
 * @property {string} url Opens the folder.
 * @property {string} origin The address without folder.
 * @property {number} port
 * @property {string} folder
 * @property {string} workDir
 * @property {string} extensionsDir
 * @property {string} logFile
 * @property {number} processGroup
 * @property {(settings: Settings) => void} writeUserSettings Takes effect when a window is loaded next.
 * @property {Promise<void>} ended Settles when the server is gone, for whatever reason.
 * @property {() => Promise<void>} stop Ends the server and all it started, and waits until they are gone.
 */

/**
 * Installs the extension into a private place, starts code-server and waits until it answers.
 * @param {ServerOptions} options
 * @returns {Promise<RunningServer>}
 */
export async function startCodeServer({
  vsix = [],
  folder,
  port = 0,
  userSettings = {},
  machineSettings = {},
  workDir,
  extraArgs = [],
  withTrust = false,
  env = {},
}) {
  const { node, entry } = await ensureCodeServer();
  const place = prepareFolders(workDir);
  const writeUserSettings = (/** @type {Settings} */ settings) =>
    writeSettings(place.userSettings, settings, quietSettings);
  writeUserSettings(userSettings);
  writeSettings(place.machineSettings, machineSettings);
  const environment = serverEnvironment(place, env);
  const common = [
    entry,
    '--config',
    place.config,
    '--user-data-dir',
    place.userData,
    '--extensions-dir',
    place.extensions,
  ];

  const vsixes = [vsix].flat();
  const wanted = contentOf(vsixes);
  if (readIfThere(place.installed) !== wanted) {
    rmSync(place.installed, { force: true });
    for (const extension of vsixes) {
      await runLogged([node, ...common, '--install-extension', resolve(extension), '--force'], {
        log: place.log,
        env: environment,
      });
    }
    writeFileSync(place.installed, wanted);
  }

  const output = openSync(place.log, 'a');
  const leader = spawn(
    process.execPath,
    [
      groupLeader,
      node,
      ...common,
      '--auth',
      'none',
      '--bind-addr',
      `127.0.0.1:${port}`,
      '--session-socket',
      join(place.temporary, 'session.sock'),
      '--disable-telemetry',
      '--disable-update-check',
      ...(withTrust ? [] : ['--disable-workspace-trust']),
      '--disable-getting-started-override',
      '--ignore-last-opened',
      ...extraArgs,
    ],
    { env: environment, detached: true, stdio: ['pipe', output, output] },
  );
  closeSync(output);
  const group = leader.pid;
  if (group === undefined) throw new InstallError('The process that leads code-server could not be started.');
  /** @type {Promise<void>} */
  const ended = new Promise((resolveEnded) => leader.once('exit', () => resolveEnded()));

  async function stop() {
    leader.stdin?.end();
    await ended;
    await groupIsGone(/** @type {number} */ (group));
    place.removeTemporary();
  }

  try {
    const origin = await waitUntilAnswering(place.log, () => leader.exitCode !== null || leader.signalCode !== null);
    return {
      origin,
      url: workbenchUrl(origin, folder),
      port: Number(new URL(origin).port),
      folder: resolve(folder),
      workDir: place.home,
      extensionsDir: place.extensions,
      logFile: place.log,
      processGroup: group,
      writeUserSettings,
      ended,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * The address that opens a folder in the workbench, and a file of it in an editor.
 * @param {string} origin
 * @param {string} folder
 * @param {string} [file]
 */
export function workbenchUrl(origin, folder, file) {
  const url = new URL(origin);
  url.searchParams.set('folder', resolve(folder));
  if (file) {
    const uri = new URL(`vscode-remote://${url.host}`);
    uri.pathname = resolve(file);
    url.searchParams.set('payload', JSON.stringify([['openFile', uri.href]]));
  }
  return url.href;
}

/** @param {string} [workDir] */
function prepareFolders(workDir) {
  const home = workDir ? resolve(workDir) : mkdtempSync(join(tmpdir(), 'lmt-host-'));
  const inside = join(home, 'tmp');
  const temporary = inside.length <= longestTemporaryPath ? inside : mkdtempSync(join(tmpdir(), 'lmt-tmp-'));
  const place = {
    home,
    temporary,
    config: join(home, 'config.yaml'),
    userData: join(home, 'user-data'),
    userSettings: join(home, 'user-data', 'User', 'settings.json'),
    machineSettings: join(home, 'user-data', 'Machine', 'settings.json'),
    extensions: join(home, 'extensions'),
    installed: join(home, 'installed.txt'),
    log: join(home, 'code-server.log'),
    removeTemporary() {
      for (const folder of workDir ? [temporary] : [temporary, home])
        rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  for (const folder of [place.userData, place.extensions, temporary]) mkdirSync(folder, { recursive: true });
  writeFileSync(place.config, 'auth: none\ncert: false\n');
  writeFileSync(place.log, '');
  return place;
}

/** A fingerprint of the extensions to install: a second start in the same place skips those that are there. @param {string[]} vsixes */
function contentOf(vsixes) {
  const hash = createHash('sha256').update(codeServerVersion);
  for (const file of vsixes) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * @param {ReturnType<typeof prepareFolders>} place
 * @param {Record<string, string | undefined>} changes
 */
function serverEnvironment(place, changes) {
  // Variables of an outer VS Code, a test runner or a shell would change the server or its port.
  const misleading =
    /^(VSCODE_|ELECTRON_|CODE_SERVER_|VITEST|npm_|INIT_CWD$|NODE_ENV$|NODE_OPTIONS$|PORT$|PASSWORD$|HASHED_PASSWORD$)/;
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !misleading.test(name)));
  return {
    ...inherited,
    EXTENSIONS_GALLERY: '{"serviceUrl":""}',
    // XDG_CACHE_HOME stays: models that were downloaded before are found there.
    XDG_DATA_HOME: join(place.home, 'xdg-data'),
    XDG_CONFIG_HOME: join(place.home, 'xdg-config'),
    TMPDIR: place.temporary,
    ...changes,
  };
}

/** @param {string} log @param {() => boolean} hasEnded */
async function waitUntilAnswering(log, hasEnded) {
  const deadline = Date.now() + startMilliseconds;
  while (Date.now() < deadline && !hasEnded()) {
    const origin = /HTTP server listening on (http:\/\/[^/\s]+)/.exec(readFileSync(log, 'utf8'))?.[1];
    if (origin && (await answers(origin))) return origin;
    await sleep(100);
  }
  const reason = hasEnded()
    ? 'code-server ended at once'
    : `code-server did not answer within ${startMilliseconds / 1000} s`;
  throw new InstallError(
    `${reason}; its log:\n${readFileSync(log, 'utf8').trimEnd().split('\n').slice(-25).join('\n')}`,
  );
}

/** @param {string} origin */
async function answers(origin) {
  try {
    return (await fetch(`${origin}/healthz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** @param {number} group */
async function groupIsGone(group) {
  for (;;) {
    try {
      process.kill(-group, 0);
    } catch {
      return;
    }
    await sleep(50);
  }
}
