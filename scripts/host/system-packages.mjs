// Debian packages that the test host needs, installed when this user may do that.
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { withLock } from './lock.mjs';
import { developmentCache } from './paths.mjs';
import { InstallError, runLogged } from './steps.mjs';

/**
 * The full path of a program on PATH, or undefined.
 * @param {string} name
 */
export function findOnPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder && isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Installs Debian packages as root or through a password-free sudo; otherwise says what to install.
 * @param {string[]} packages
 * @param {string} purpose
 * @param {string} [log] Where what apt prints is kept.
 */
export async function installDebianPackages(packages, purpose, log) {
  const advice = `${purpose}: please install ${packages.join(', ')}`;
  const apt = findOnPath('apt-get');
  if (!apt) throw new InstallError(`${advice} (no apt-get here to do it for you).`);
  const isRoot = process.getuid?.() === 0;
  const sudo = findOnPath('sudo');
  if (!isRoot && !sudo)
    throw new InstallError(`${advice}, for example as root with: apt-get install ${packages.join(' ')}`);
  // sudo drops the environment, so the setting travels on its command line.
  /** @param {string[]} args @returns {[string, ...string[]]} */
  const asRoot = (...args) =>
    isRoot || !sudo ? [apt, ...args] : [sudo, '-n', 'DEBIAN_FRONTEND=noninteractive', apt, ...args];
  const logs = mkdtempSync(join(tmpdir(), 'lmt-apt-'));
  const options = { log: log ?? join(logs, 'apt.log'), env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  try {
    // two test files may want the same at the same time, and apt waits for nobody
    await withLock(join(developmentCache(), 'apt.lock'), async () => {
      await runLogged(asRoot('update', '-qq'), options);
      await runLogged(asRoot('install', '-y', '-qq', '--no-install-recommends', ...packages), options);
    });
  } catch (error) {
    throw new InstallError(`${advice}.\n${/** @type {Error} */ (error).message}`);
  } finally {
    rmSync(logs, { recursive: true, force: true });
  }
}
