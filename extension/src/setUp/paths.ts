import path from 'node:path';

/** Where a path is read: the machine the extension host runs on. */
export type Platform = 'linux' | 'darwin' | 'win32';

/** `node:path` with the rules of that platform, whatever this process runs on. */
export function pathsOf(platform: Platform): path.PlatformPath {
  return platform === 'win32' ? path.win32 : path.posix;
}

/** The platform of this process; every other Unix is treated like Linux. */
export function currentPlatform(): Platform {
  return process.platform === 'win32' || process.platform === 'darwin' ? process.platform : 'linux';
}

/** The interpreter of a virtual environment that this extension made. */
export function interpreterOf(environment: string, platform: Platform): string {
  return platform === 'win32'
    ? path.win32.join(environment, 'Scripts', 'python.exe')
    : path.posix.join(environment, 'bin', 'python');
}

/**
 * The files a setting may mean, likeliest first: an interpreter, or the folder of an environment.
 *
 * `~` is the home folder; quotes that came along when the path was pasted are dropped.
 */
export function interpretersMeantBy(setting: string, platform: Platform, home: string): string[] {
  const paths = pathsOf(platform);
  const plain = setting.trim().replace(/^(["'])(.*)\1$/, '$2');
  if (plain === '') return [];
  const whole = expandHome(plain, platform, home);
  if (!paths.isAbsolute(whole)) return [];
  const inside =
    platform === 'win32'
      ? [['Scripts', 'python.exe'], ['python.exe']]
      : [
          ['bin', 'python'],
          ['bin', 'python3'],
        ];
  return [whole, ...inside.map((parts) => paths.join(whole, ...parts))];
}

/** `~` and `~/…` (on Windows also `~\…`) with the home folder in place. */
export function expandHome(file: string, platform: Platform, home: string): string {
  if (file === '~') return home;
  const separated = file.startsWith('~/') || (platform === 'win32' && file.startsWith('~\\'));
  return separated ? pathsOf(platform).join(home, file.slice(2)) : file;
}

/** A command to try, as argv without a shell: a name to be looked up on PATH, or a whole path. */
export type Command = readonly [program: string, ...options: string[]];

/** Interpreters to build the environment from, best first: versions that all dependencies have wheels for. */
export function pythonCommands(platform: Platform, env: Readonly<Record<string, string | undefined>>): Command[] {
  const versions = ['3.12', '3.11', '3.13', '3.10', '3.14'];
  if (platform === 'win32') {
    const local = env['LOCALAPPDATA'];
    const folders = local
      ? versions.map((v) => path.win32.join(local, 'Programs', 'Python', `Python${v.replace('.', '')}`))
      : [];
    return [
      ...versions.map((v): Command => ['py', `-${v}`]),
      ...folders.map((folder): Command => [path.win32.join(folder, 'python.exe')]),
      ['python'],
      ['python3'],
    ];
  }
  const versioned = versions.map((v) => `python${v}`);
  const onPath = versioned.map((name): Command => [name]);
  if (platform !== 'darwin') return [...onPath, ['python3'], ['python']];
  // an application started from the Dock has a PATH without Homebrew; Apple's own python3 comes last because it may
  // only be a stub that offers to install the developer tools
  const folders = ['/opt/homebrew/bin', '/usr/local/bin'];
  const inFolders = folders.flatMap((folder) =>
    [...versioned, 'python3'].map((name): Command => [`${folder}/${name}`]),
  );
  return [...onPath, ...inFolders, ['python3'], ['python']];
}

const OURS_NOT_PYTHONS = /^(ELECTRON_|VSCODE_)/i;
const LEADS_PYTHON_ASTRAY = /^(PYTHONHOME|PYTHONSTARTUP|PYTHONINSPECT|__PYVENV_LAUNCHER__)$/i;

/**
 * The environment variables for the backend and its set-up: the user's, less what would lead Python astray.
 *
 * `isolated`: for our own environment, into which PYTHONPATH must not reach.
 */
export function backendEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  isolated: boolean,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || OURS_NOT_PYTHONS.test(name) || LEADS_PYTHON_ASTRAY.test(name)) continue;
    if (isolated && name.toUpperCase() === 'PYTHONPATH') continue;
    kept[name] = value;
  }
  // SAFEPATH keeps a `torch.py` in the working directory from being imported
  return { ...kept, PYTHONUTF8: '1', PYTHONUNBUFFERED: '1', PYTHONSAFEPATH: '1' };
}
