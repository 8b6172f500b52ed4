// Starts the product for trying it out, in the VS Code of this machine or else in the project's own code-server.
// Usage: node scripts/run.mjs EXTENSION.vsix [FOLDER]
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { developmentCache, repositoryPython, repositoryRoot } from './host/paths.mjs';
import { startCodeServer, workbenchUrl } from './host/server.mjs';
import { InstallError, runAsProgram } from './host/steps.mjs';
import { findOnPath } from './host/system-packages.mjs';

const firstPort = 8723;
const lastPort = firstPort + 100;

/**
 * Installs the extension in the VS Code of this machine, and opens the folder there.
 * @param {string} code
 * @param {string} vsix
 * @param {string[]} places
 */
async function runInOwnEditor(code, vsix, places) {
  await runVisibly([code, '--install-extension', vsix, '--force']);
  // a window opened from a shell inherits its environment, so the user's own settings need no change
  process.env.LM_TRANSPARENCY_PYTHON ??= repositoryPython();
  await runVisibly([code, ...places]);
}

/** @param {[program: string, ...args: string[]]} argv @returns {Promise<void>} */
function runVisibly([program, ...args]) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.on('error', (error) => fail(new InstallError(`${program} could not be started: ${error.message}`)));
    child.on('close', (code) =>
      code === 0 ? done() : fail(new InstallError(`${program} ended with exit status ${code}.`)),
    );
  });
}

/**
 * Serves the folder until Ctrl-C, or until the server exits.
 * @param {string} vsix
 * @param {string} folder
 * @param {string} [file]
 */
async function runInCodeServer(vsix, folder, file) {
  const python = repositoryPython();
  const port = await firstFreePort();
  const server = await startCodeServer({
    vsix,
    folder,
    port,
    // Kept, so that a second start is fast. Each port has its own, so that two runs share no state.
    workDir: join(developmentCache(), 'run', String(port)),
    machineSettings: existsSync(python) ? { 'lmTransparency.backend.python': python } : {},
  });
  console.log(workbenchUrl(server.origin, folder, file));
  process.stderr.write('Open this address in a browser; Ctrl-C ends the server.\n');
  const wasAskedToEnd = await Promise.race([server.ended.then(() => false), askedToEnd()]);
  await server.stop();
  if (!wasAskedToEnd) throw new InstallError(`code-server ended by itself; its log is ${server.logFile}`);
  process.exit(0);
}

/** @returns {Promise<boolean>} */
function askedToEnd() {
  /** @type {NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  return new Promise((done) => {
    for (const signal of signals) {
      process.removeAllListeners(signal);
      // Stays in place: an impatient second Ctrl-C must not interrupt the cleanup.
      process.on(signal, () => done(true));
    }
  });
}

async function firstFreePort() {
  for (let port = firstPort; port < lastPort; port += 1) {
    if (await isFree(port)) return port;
  }
  return 0;
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });
}

await runAsProgram(async () => {
  const [vsix, folder = join(repositoryRoot, 'samples')] = process.argv.slice(2);
  if (!vsix) throw new InstallError('Usage: node scripts/run.mjs EXTENSION.vsix [FOLDER]');
  if (!existsSync(vsix)) throw new InstallError(`There is no ${vsix}; build the extension first.`);
  if (!existsSync(folder)) throw new InstallError(`There is no folder ${folder}.`);
  const sample = join(resolve(folder), 'ioi.prompt');
  const file = existsSync(sample) ? sample : undefined;
  const code = findOnPath('code');
  if (code) await runInOwnEditor(code, resolve(vsix), [resolve(folder), ...(file ? [file] : [])]);
  else await runInCodeServer(resolve(vsix), resolve(folder), file);
});
