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
 * What a POSIX shell reads to become `attach`; whatever follows on stdin is the protocol's. Behind a wrapper the shell
 * stays, and says that the link is there: a job may wait for long without a word.
 */
export function attachScript(python: string, wrapper: readonly string[]): string {
  const command = quoteAll([...wrapper, python, '-u', '-m', 'lm_transparency', 'attach']);
  const setUp = 'unset PYTHONPATH PYTHONHOME; export PYTHONUTF8=1 PYTHONSAFEPATH=1; cd /;';
  if (wrapper.length === 0) return `${setUp} exec ${command}\n`;
  return `${setUp} ${sayingAlive}; ${command}; code=$?; kill $alive; exit $code\n`;
}
