import { isTooOld } from './findPython';
import type { Platform } from './paths';
import type { FullProbe } from './probe';
import type { Bundle } from './wheel';

/** Why the environment could not be built, and what helps. */
export interface Trouble {
  message: string;
  remedy: string;
}

export type BaseVerdict = { usable: true } | { usable: false; why: string };

/** Whether an environment can be built from this interpreter. */
export function judgeBase(probe: FullProbe): BaseVerdict {
  if (probe.problem !== '') return { usable: false, why: probe.problem };
  if (isTooOld(probe)) return { usable: false, why: `Python ${probe.version?.join('.') ?? '?'} is too old` };
  if (!probe.is64Bit) return { usable: false, why: 'it is a 32-bit Python' };
  if (!probe.hasVenv) return { usable: false, why: 'its venv module is missing' };
  return { usable: true };
}

/** What to say when none of the interpreters would do. */
export function explainNoBase(probes: readonly FullProbe[], platform: Platform): Trouble {
  const present = probes.filter((probe) => probe.problem === '');
  const recent = present.filter((probe) => !isTooOld(probe));
  const lacksVenv = recent.find((probe) => !probe.hasVenv);
  if (lacksVenv) return venvTrouble(lacksVenv.version?.join('.') ?? '3', platform);
  if (recent.length > 0) {
    return { message: 'Only a 32-bit Python was found; PyTorch needs a 64-bit one.', remedy: howToInstall(platform) };
  }
  if (present.length > 0) {
    const newest = present.map((probe) => probe.version?.join('.') ?? '?').join(', ');
    return { message: `The backend needs Python 3.10 or newer; found: ${newest}.`, remedy: howToInstall(platform) };
  }
  return { message: 'No Python was found on this machine.', remedy: howToInstall(platform) };
}

function venvTrouble(version: string, platform: Platform): Trouble {
  const remedy =
    platform === 'linux'
      ? `Install it (Debian, Ubuntu: sudo apt install python${version}-venv), then set up the backend again.`
      : 'Install Python from python.org, then set up the backend again.';
  return { message: `Python ${version} is installed, but its venv module is missing.`, remedy };
}

function howToInstall(platform: Platform): string {
  const how = {
    linux: 'Install Python 3.10 or newer with your package manager (with its venv module)',
    darwin: 'Install Python 3.12 from python.org or with Homebrew (brew install python@3.12)',
    win32: 'Install Python 3.12 (64-bit) from python.org or the Microsoft Store',
  }[platform];
  return `${how}, then set up the backend again.`;
}

/** argv that makes an empty environment; -I keeps the user's own packages out. */
export function venvArgv(python: string, folder: string): string[] {
  return [python, '-I', '-m', 'venv', '--clear', folder];
}

/** Options of every `pip install`. Nothing is compiled: thousands of modules are never imported. */
export const PIP_OPTIONS = [
  '--disable-pip-version-check',
  '--no-input',
  '--progress-bar',
  'off',
  '--no-compile',
] as const;

/** argv that installs the bundled wheel. Index, proxy and certificates are pip's own settings and apply. */
export function pipArgv(python: string, bundle: Bundle, extra: readonly string[], constrained: boolean): string[] {
  const constraints = constrained && bundle.constraints !== null ? ['--constraint', bundle.constraints] : [];
  return [python, '-m', 'pip', 'install', ...PIP_OPTIONS, ...constraints, ...extra, bundle.wheel];
}

/** argv that proves the environment works: the imports that fail when a library of the system is missing. */
export function checkArgv(python: string): string[] {
  return [python, '-I', '-c', 'import torch, transformers, numba, lm_transparency; print(torch.__version__)'];
}

/** A line of pip as a short message for the progress notification; null for uninformative lines. */
export function readPipLine(line: string): string | null {
  const text = line.trim();
  const collecting = /^Collecting ([A-Za-z0-9._-]+)/.exec(text);
  if (collecting) return `Looking up ${collecting[1]}`;
  const downloading = /^Downloading (?:\S*\/)?([A-Za-z0-9._]+?)-[^\s(]*(?: \((.+)\))?/.exec(text);
  if (downloading) return `Downloading ${downloading[1]}${downloading[2] ? ` (${downloading[2]})` : ''}`;
  const installing = /^Installing collected packages: (.*)/.exec(text);
  if (installing) return `Installing ${(installing[1] ?? '').split(',').length} packages`;
  return null;
}

/** Whether pip failed only because the tested versions do not exist for this Python or platform. */
export function isConstraintTrouble(output: string): boolean {
  const unresolved = /No matching distribution found|ResolutionImpossible|conflicting dependencies/i.test(output);
  return unresolved && network(output) === null;
}

/** Reads the reason from what pip or venv printed. */
export function explainInstall(output: string, problem: string, platform: Platform): Trouble {
  if (
    /No space left on device|Errno 28\b|not enough space on the disk|WinError 112\b|Disk quota exceeded/i.test(output)
  ) {
    return {
      message: 'The disk is full.',
      remedy: 'The backend needs about 6 GB (2 GB without CUDA). Free some space and try again.',
    };
  }
  const offline = network(output);
  if (offline) return offline;
  if (/ensurepip is not\s+available|No module named '?(venv|ensurepip)/i.test(output)) {
    return venvTrouble('3', platform);
  }
  if (/long path support|filename or extension is too long|WinError 206\b/i.test(output)) {
    return {
      message: 'A path became longer than Windows allows.',
      remedy: 'Enable long paths in Windows (search for "Enable Win32 long paths"), then try again.',
    };
  }
  if (/DLL load failed|WinError 126\b|WinError 1114\b/i.test(output)) {
    return {
      message: 'PyTorch is installed, but Windows cannot load it.',
      remedy: 'Install the Microsoft Visual C++ Redistributable, then try again.',
    };
  }
  if (/Permission denied|Access is denied|Errno 13\b|WinError 5\b/i.test(output)) {
    return {
      message: 'A file could not be written: permission denied.',
      remedy: 'The log names the file. Check its permissions, and whether a virus scanner has it open.',
    };
  }
  if (isConstraintTrouble(output)) {
    return {
      message: 'A required package does not exist for this Python or platform.',
      remedy: 'The log names it. Python 3.12 is the safest choice.',
    };
  }
  return {
    message: problem === '' ? 'Installing the backend failed.' : `Installing the backend failed: ${problem}.`,
    remedy: 'See the log for the output of pip.',
  };
}

function network(output: string): Trouble | null {
  if (/ProxyError|Tunnel connection failed|407 Proxy/i.test(output)) {
    return {
      message: 'The proxy refused the download.',
      remedy: 'Set the proxy for pip (pip config set global.proxy, or HTTPS_PROXY), then try again.',
    };
  }
  if (/CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError/.test(output)) {
    return {
      message: 'The package index could not be trusted (TLS certificate).',
      remedy: 'Tell pip your certificate (pip config set global.cert), then try again.',
    };
  }
  const unreachable =
    /NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|Failed to establish a new connection|Temporary failure in name resolution|getaddrinfo failed|Network is unreachable|Connection (refused|reset)|RemoteDisconnected/i;
  if (unreachable.test(output)) {
    return {
      message: 'The package index could not be reached.',
      remedy: "Check the network. For a mirror, set pip's index-url.",
    };
  }
  return null;
}
