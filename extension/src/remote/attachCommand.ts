import { ALIVE } from '../link/launch';
import { quoteAll } from './quote';

/** Seconds between two signs of life of a shell whose command may wait in a queue. */
const ALIVE_S = 5;

// what sleeps holds no stream, which would keep the end from being noticed
const sayingAlive = [
  `while kill -0 $$ 2>/dev/null; do printf '%s\\n' '${ALIVE}' >&2; sleep ${ALIVE_S} 2>/dev/null; done`,
  '</dev/null >/dev/null & alive=$!',
].join(' ');

/**
 * The script that turns a POSIX shell into `attach`; everything after it on stdin belongs to the protocol. With a
 * wrapper the shell stays and sends signs of life, because a job may wait silently for a long time.
 */
export function attachScript(python: string, wrapper: readonly string[]): string {
  const command = quoteAll([...wrapper, python, '-u', '-m', 'lm_transparency', 'attach']);
  const setUp = 'unset PYTHONPATH PYTHONHOME; export PYTHONUTF8=1 PYTHONSAFEPATH=1; cd /;';
  if (wrapper.length === 0) return `${setUp} exec ${command}\n`;
  return `${setUp} ${sayingAlive}; ${command}; code=$?; kill $alive; exit $code\n`;
}
