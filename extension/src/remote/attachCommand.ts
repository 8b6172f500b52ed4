import { quoteAll } from './quote';

/** What a POSIX shell reads to become `attach`; whatever follows on stdin is the protocol's. */
export function attachScript(python: string, wrapper: readonly string[]): string {
  const command = quoteAll([...wrapper, python, '-u', '-m', 'lm_transparency', 'attach']);
  return `unset PYTHONPATH PYTHONHOME; export PYTHONUTF8=1 PYTHONSAFEPATH=1; cd /; exec ${command}\n`;
}
