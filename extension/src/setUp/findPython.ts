import { interpretersMeantBy, type Platform } from './paths';

/** What an interpreter reports about itself; `problem` says why it could not be asked. */
export interface Probe {
  version: readonly [major: number, minor: number] | null;
  /** Version of lm-transparency that it would import; null when there is none. */
  backend: string | null;
  problem: string;
}

/** The environment that Set Up Backend made. */
export interface OwnEnvironment {
  python: string;
  /** Of lm-transparency in it; `development` fits every extension. */
  version: string;
}

/** Everything that the decision depends on. */
export interface Surroundings {
  platform: Platform;
  home: string;
  setting: string;
  /** LM_TRANSPARENCY_PYTHON of the shell that started VS Code; empty if unset. */
  variable: string;
  own: OwnEnvironment | null;
  /** Version of the wheel inside this extension; null if there is none. */
  bundled: string | null;
  /** Asks the Python extension, if installed. */
  selected(): Promise<string | null>;
  isFile(file: string): Promise<boolean>;
  probe(python: string): Promise<Probe>;
  log(line: string): void;
}

export type Origin = 'setting' | 'variable' | 'own environment' | 'Python extension' | 'host';

export type PythonChoice =
  | { found: true; python: string; origin: Origin; version: string; host?: string }
  | { found: false; reason: 'notSetUp' | 'outdated' | 'settingUnusable'; message: string; remedy: string };

/** Oldest Python that the backend runs on. */
export const OLDEST: readonly [number, number] = [3, 10];

/**
 * Which interpreter runs the backend: the setting, else the environment variable, else our own environment, else the
 * Python extension's.
 *
 * A named interpreter that does not work is an error and never skipped: the user would not know which one ran.
 */
export async function findPython(around: Surroundings): Promise<PythonChoice> {
  for (const origin of ['setting', 'variable'] as const) {
    if (around[origin].trim() !== '') return fromName(around, origin);
    around.log(`${NAMES[origin]} is not set`);
  }

  const own = await fromOwn(around);
  if (own.found) return own;
  const selected = await fromSelected(around);
  return selected ?? own;
}

const NAMES = { setting: 'lmTransparency.backend.python', variable: 'LM_TRANSPARENCY_PYTHON' };

async function fromName(around: Surroundings, origin: keyof typeof NAMES): Promise<PythonChoice> {
  const shown = around[origin].trim();
  const unusable = (what: string, why: string) => unusableName(around, origin, what, why);
  const meant = interpretersMeantBy(shown, around.platform, around.home);
  if (meant.length === 0) return unusable(shown, 'is not an absolute path');
  for (const file of meant) {
    if (!(await around.isFile(file))) continue;
    const probe = await around.probe(file);
    if (probe.problem !== '') return unusable(file, `could not be run: ${probe.problem}`);
    if (isTooOld(probe)) return unusable(file, `is Python ${versionText(probe)}; the backend needs 3.10 or newer`);
    if (probe.backend === null) return unusable(file, 'does not have the package lm-transparency installed');
    around.log(`using ${file} from the ${origin} (lm-transparency ${probe.backend})`);
    return { found: true, python: file, origin, version: probe.backend };
  }
  return unusable(shown, 'does not exist');
}

async function fromOwn(around: Surroundings): Promise<PythonChoice> {
  const { own, bundled } = around;
  if (own === null) {
    around.log('no environment of our own yet');
    return notSetUp;
  }
  if (!(await around.isFile(own.python))) {
    around.log(`our environment has no interpreter any more: ${own.python}`);
    return notSetUp;
  }
  if (bundled !== null && own.version !== bundled && own.version !== 'development') {
    around.log(`our environment has lm-transparency ${own.version}, this extension includes ${bundled}`);
    return outdated;
  }
  around.log(`using our own environment: ${own.python}`);
  return { found: true, python: own.python, origin: 'own environment', version: own.version };
}

async function fromSelected(around: Surroundings): Promise<PythonChoice | null> {
  const python = await around.selected();
  if (python === null) {
    around.log('the Python extension has no interpreter to offer');
    return null;
  }
  const probe = await around.probe(python);
  if (probe.problem !== '' || isTooOld(probe) || probe.backend === null) {
    around.log(`the Python extension's ${python} is unsuitable: ${probe.problem || lacks(probe)}`);
    return null;
  }
  around.log(`using the Python extension's interpreter: ${python} (lm-transparency ${probe.backend})`);
  return { found: true, python, origin: 'Python extension', version: probe.backend };
}

/** Whether an interpreter is older than the backend supports. */
export function isTooOld(probe: Probe): boolean {
  if (probe.version === null) return true;
  const [major, minor] = probe.version;
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function lacks(probe: Probe): string {
  return isTooOld(probe) ? `Python ${versionText(probe)}` : 'lm-transparency is not installed in it';
}

function versionText(probe: Probe): string {
  return probe.version?.join('.') ?? 'of an unknown version';
}

function unusableName(around: Surroundings, origin: keyof typeof NAMES, what: string, why: string): PythonChoice {
  around.log(`the ${origin}'s ${what} ${why}`);
  return {
    found: false,
    reason: 'settingUnusable',
    message: `The interpreter in ${NAMES[origin]} ${why}.`,
    remedy: `The ${origin} is "${what}". Correct it, or clear it and set up the backend.`,
  };
}

const notSetUp: PythonChoice = {
  found: false,
  reason: 'notSetUp',
  message: 'The backend is not set up on this machine yet.',
  remedy: 'Set-up installs Python packages, including PyTorch, into a separate folder.',
};

const outdated: PythonChoice = {
  found: false,
  reason: 'outdated',
  message: 'The backend on this machine belongs to a different version of the extension.',
  remedy: 'Set it up again to match the versions.',
};
