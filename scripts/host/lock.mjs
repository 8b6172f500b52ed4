// A lock between processes: a file that its holder keeps fresh, so that a dead holder blocks nobody.
import { closeSync, mkdirSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const heartbeatMilliseconds = 2_000;
const staleMilliseconds = 15_000;

/**
 * Runs `work` while holding the lock file at `path`, waiting for another holder first.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  while (!tryToTake(path)) await sleep(300);
  const heartbeat = setInterval(() => touch(path), heartbeatMilliseconds);
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    process.removeListener('exit', release);
    release();
  }
}

/** @param {string} path */
function tryToTake(path) {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (changed !== undefined && Date.now() - changed > staleMilliseconds) rmSync(path, { force: true });
  return false;
}

/** @param {string} path */
function touch(path) {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Someone cleaned the cache; the work itself notices soon enough.
  }
}
