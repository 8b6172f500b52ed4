import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Cancel } from '../cancel';
import { Failure } from '../failure';
import type { ServerProcess } from '../link/launch';
import { backendEnvironment } from '../setUp/paths';
import { runProcess } from '../setUp/runProcess';
import { explainInstall, readPipLine, type Trouble } from '../setUp/setUpSteps';
import type { Bundle } from '../setUp/wheel';
import type { HostSettings } from '../settings';
import { launchAttached } from '../link/attached';
import { attachScript } from './attachCommand';
import { type ConfiguredHost, configuredHosts, refuseHost } from './hosts';
import { baseOf, machineScript, type Machine, readMachine, refuseMachine } from './machine';
import { builtPython, filesOf, setUpScript, STEP } from './setUpScript';
import { sshArgv, type SshSettings } from '../link/ssh';
import { explainSsh } from '../link/sshFailure';

const LOOK_SILENCE_MS = 120_000;
const LEAST_FREE_BYTES = 1.5e9;
// a job requested by srun may wait in a queue
const WRAPPED_PATIENCE_MS = 600_000;

/** What a conversation with a host needs of this side. */
export interface Caller {
  ssh: SshSettings;
  /** A folder of our own to run ssh in. */
  cwd: string;
  log(line: string): void;
}

/** The hosts of the person's ssh config. */
export function hostsOfConfig(ssh: SshSettings): Promise<ConfiguredHost[]> {
  const home = homedir();
  return configuredHosts(ssh.configFile || path.join(home, '.ssh', 'config'), {
    home,
    read: (file) => readFile(file, 'utf8').catch(() => null),
    list: (folder) => readdir(folder).catch(() => []),
  });
}

/** Inspects a machine in one round trip. Rejects with a `Failure` that names the obstacle. */
export async function look(caller: Caller, host: string, named: readonly string[], cancel: Cancel): Promise<Machine> {
  const result = await converse(caller, host, [machineScript(named)], { cancel, silenceMs: LOOK_SILENCE_MS });
  const machine = readMachine(result.output);
  if (machine === null) throw notReached(host, result);
  const refused = refuseMachine(host, machine);
  if (refused) throw new Failure('remoteUnfit', refused.message, refused.remedy);
  return machine;
}

/** Builds our environment on the host. Resolves with its interpreter, or with what was in the way. */
export async function setUpOn(
  caller: Caller,
  host: string,
  machine: Machine,
  bundle: Bundle,
  how: { pipArguments: readonly string[]; wrapped: boolean; cancel: Cancel; report(message: string): void },
): Promise<{ python: string } | { trouble: Trouble }> {
  const base = baseOf(machine);
  if (base === null) return { trouble: noBase(host, machine) };
  if (machine.freeBytes !== null && machine.freeBytes < LEAST_FREE_BYTES) {
    const message = `Only ${(machine.freeBytes / 1e9).toFixed(1)} GB are free on the disk of ${host} (${machine.data}).`;
    return { trouble: { message, remedy: 'The backend needs about 6 GB (2 GB without CUDA). Free some space.' } };
  }
  const set = {
    data: machine.data,
    id: randomBytes(4).toString('hex'),
    base: base.executable || base.path,
    uv: machine.uv,
    // behind a wrapper there may be a GPU that this look could not see
    cpuOnly: machine.system === 'Linux' && machine.gpus.length === 0 && !how.wrapped,
    pipArguments: how.pipArguments,
    version: bundle.version,
  };
  const input = [setUpScript(set, await filesOf(bundle, (file) => readFile(file)))];
  const onLine = (line: string) => {
    const step = line.startsWith(STEP) ? line.slice(STEP.length) : readPipLine(line);
    if (step !== null) how.report(step);
  };
  const result = await converse(caller, host, input, { cancel: how.cancel, onLine });
  const python = builtPython(result.output);
  if (python !== null) return { python };
  const lost = explainSsh(host, result.output);
  if (result.code === 255 && lost) throw lost;
  const platform = machine.system === 'Darwin' ? 'darwin' : 'linux';
  return { trouble: explainInstall(result.output, result.problem, platform) };
}

/** Starts the bridge to the server on a host. */
export function launchOn(
  caller: Caller,
  host: string,
  python: string,
  set: HostSettings | undefined,
  again: boolean,
): ServerProcess {
  const wrapper = set?.wrapper ?? [];
  return launchAttached(sshArgv(checked(host), caller.ssh, again), host, attachScript(python, wrapper), {
    cwd: caller.cwd,
    env: backendEnvironment(process.env, true),
    onLine: (line) => caller.log(`[${host}] ${line}`),
    ...(wrapper.length > 0 && { patienceMs: WRAPPED_PATIENCE_MS }),
  });
}

interface Conversation {
  cancel: Cancel;
  silenceMs?: number;
  onLine?: (line: string) => void;
}

function converse(caller: Caller, host: string, input: readonly (string | Uint8Array)[], how: Conversation) {
  return runProcess(sshArgv(checked(host), caller.ssh), {
    cwd: caller.cwd,
    env: backendEnvironment(process.env, true),
    input,
    ...how,
    onLine: (line) => {
      caller.log(`[${host}] ${line}`);
      how.onLine?.(line);
    },
  });
}

// wherever the name came from: a stored one may be years old
function checked(host: string): string {
  const refused = refuseHost(host);
  if (refused !== null) throw new Failure('hostUnreachable', `“${host.slice(0, 80)}” is no host.`, refused);
  return host;
}

function notReached(host: string, result: { code: number | null; output: string; problem: string }): Failure {
  if (result.problem === 'not found')
    return new Failure('hostUnreachable', 'There is no ssh program on this machine.', 'Install an OpenSSH client.');
  const explained = explainSsh(host, result.output);
  if (explained) return explained;
  const why = result.problem || result.output.trim().split('\n').at(-1)?.slice(0, 200) || `code ${result.code}`;
  return new Failure('hostUnreachable', `${host} could not be inspected: ${why}.`, 'See the log for its output.');
}

function noBase(host: string, { pythons }: Machine): Trouble {
  const remedy = 'Install Python 3.10 or newer (64-bit, with its venv module) or uv there, then try again.';
  if (pythons.length === 0) return { message: `No Python was found on ${host}.`, remedy };
  const found = pythons.map(({ version }) => version?.join('.') ?? '?').join(', ');
  return { message: `No suitable Python on ${host}: found ${found}, without venv or too old.`, remedy };
}
