import { describe, expect, it } from 'vitest';
import { afterExit } from '../../extension/src/link/restartPolicy';

const code = (number: number) => ({ code: number, signal: null, problem: '' });
const signal = (name: string) => ({ code: null, signal: name, problem: '' });

describe('after the backend has ended', () => {
  it('a normal end is no failure', () => {
    expect(afterExit(code(0), 0)).toEqual({ next: 'rest' });
  });

  it('a missing package is not cured by a restart; the server names it in its last line', () => {
    const verdict = afterExit(code(3), 0, ['The Python package pygls cannot be imported.']);
    expect(verdict).toMatchObject({
      next: 'stop',
      failure: { kind: 'dependencyMissing', message: 'The Python package pygls cannot be imported.' },
    });
  });

  it('a traceback is not for readers', () => {
    const words = [
      'Traceback (most recent call last):',
      '  File "x.py", line 1',
      "ModuleNotFoundError: No module named 'x'",
    ];
    expect(afterExit(code(3), 0, words)).toMatchObject({
      failure: { message: 'A Python package that the backend needs is missing.' },
    });
  });

  it('neither is another protocol', () => {
    expect(afterExit(code(4), 0)).toMatchObject({ next: 'stop', failure: { kind: 'backendOutdated' } });
  });

  it('an interpreter that cannot be started stays stopped', () => {
    expect(afterExit({ code: null, signal: null, problem: 'spawn ENOENT' }, 0)).toMatchObject({ next: 'stop' });
  });

  it.each([code(1), code(139), signal('SIGSEGV')])('a crash (%j) is forgiven once', (exit) => {
    expect(afterExit(exit, 0)).toMatchObject({ next: 'restart', failure: { kind: 'backendStopped' } });
    expect(afterExit(exit, 1)).toMatchObject({ next: 'stop', failure: { kind: 'backendStopped' } });
  });

  it('being killed speaks of memory', () => {
    for (const exit of [signal('SIGKILL'), code(137)]) {
      expect(afterExit(exit, 0)).toMatchObject({
        failure: { message: 'The backend was killed by the system.', remedy: expect.stringContaining('memory') },
      });
    }
  });
});
