import { describe, expect, it } from 'vitest';
import {
  backendEnvironment,
  expandHome,
  interpreterOf,
  interpretersMeantBy,
  pythonCommands,
} from '../../extension/src/setUp/paths';

describe('paths', () => {
  it.each([
    ['linux', '/s/env/ab', '/s/env/ab/bin/python'],
    ['darwin', '/Users/a b/env', '/Users/a b/env/bin/python'],
    ['win32', 'C:\\Users\\a b\\env', 'C:\\Users\\a b\\env\\Scripts\\python.exe'],
  ] as const)('the interpreter of an environment on %s', (platform, folder, python) => {
    expect(interpreterOf(folder, platform)).toBe(python);
  });

  it.each([
    ['~/x', 'linux', '/home/a/x'],
    ['~', 'darwin', '/home/a'],
    ['~user/x', 'linux', '~user/x'],
    ['~\\x', 'linux', '~\\x'],
  ] as const)('the home folder in %s', (file, platform, whole) => {
    expect(expandHome(file, platform, '/home/a')).toBe(whole);
  });

  it('the home folder on Windows', () => {
    expect(expandHome('~\\v', 'win32', 'C:\\Users\\a')).toBe('C:\\Users\\a\\v');
    expect(expandHome('~/v', 'win32', 'C:\\Users\\a')).toBe('C:\\Users\\a\\v');
  });

  it('a setting may mean a file or an environment', () => {
    expect(interpretersMeantBy(' /v ', 'linux', '/h')).toEqual(['/v', '/v/bin/python', '/v/bin/python3']);
    expect(interpretersMeantBy('D:\\v', 'win32', 'C:\\h')).toEqual([
      'D:\\v',
      'D:\\v\\Scripts\\python.exe',
      'D:\\v\\python.exe',
    ]);
    expect(interpretersMeantBy('', 'linux', '/h')).toEqual([]);
    expect(interpretersMeantBy('python3', 'linux', '/h')).toEqual([]);
  });

  it('looks where each platform keeps Python', () => {
    expect(pythonCommands('linux', {})[0]).toEqual(['python3.12']);
    expect(pythonCommands('linux', {}).at(-2)).toEqual(['python3']);
    expect(pythonCommands('darwin', {})).toContainEqual(['/opt/homebrew/bin/python3.12']);
    expect(pythonCommands('darwin', {}).slice(-2)).toEqual([['python3'], ['python']]);
    const windows = pythonCommands('win32', { LOCALAPPDATA: 'C:\\Users\\a\\AppData\\Local' });
    expect(windows[0]).toEqual(['py', '-3.12']);
    expect(windows).toContainEqual(['C:\\Users\\a\\AppData\\Local\\Programs\\Python\\Python312\\python.exe']);
    expect(windows).toContainEqual(['python']);
  });

  it('keeps out what would lead Python astray', () => {
    const env = {
      PATH: '/bin',
      HTTPS_PROXY: 'http://p',
      PYTHONHOME: '/x',
      PYTHONPATH: '/y',
      VSCODE_PID: '1',
      ELECTRON_RUN_AS_NODE: '1',
      GONE: undefined,
    };
    const always = { PYTHONUTF8: '1', PYTHONUNBUFFERED: '1', PYTHONSAFEPATH: '1' };
    expect(backendEnvironment(env, true)).toEqual({ PATH: '/bin', HTTPS_PROXY: 'http://p', ...always });
    expect(backendEnvironment(env, false)).toEqual({
      PATH: '/bin',
      HTTPS_PROXY: 'http://p',
      PYTHONPATH: '/y',
      ...always,
    });
  });
});
