// Where the development tools that are not part of the product are kept.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repositoryRoot = resolve(fileURLToPath(new URL('../..', import.meta.url)));

export const codeServerVersion = '4.139.1';
export const nodeWheelVersion = '24.19.0';
/** The first names the folder; anywidget's part for the browser belongs to the server. */
export const jupyterLabPackages = /** @type {const} */ (['jupyterlab==4.6.6', 'anywidget==0.11.0']);

/** The folder that keeps downloaded development tools between runs. */
export function developmentCache() {
  const { LM_TRANSPARENCY_DEV_CACHE, XDG_CACHE_HOME } = process.env;
  if (LM_TRANSPARENCY_DEV_CACHE) return resolve(LM_TRANSPARENCY_DEV_CACHE);
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'lm-transparency-dev');
}

/** The Python interpreter of the repository's own environment. */
export function repositoryPython() {
  return join(repositoryRoot, '.venv', 'bin', 'python');
}
