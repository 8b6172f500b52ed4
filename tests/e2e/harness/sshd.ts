import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureSshServer } from '../../../scripts/host/ssh-server.mjs';

/** A machine behind ssh: a private daemon on the loopback, with a home folder of its own. */
export interface RemoteMachine {
  /** The ssh config that knows it as `gpubox` and `cluster`, and hosts that are out of order in various ways. */
  configFile: string;
  home: string;
  /** Where the shared servers of this machine are met. */
  runtime: string;
  port: number;
  /** Where its environments are. */
  data: string;
  /** Makes the disk of `data` so large, in MB; null where that is the disk of all, because only root can mount one. */
  resizeDisk: ((megabytes: number) => void) | null;
  log(): string;
  /** Process ids of sessions that are open. */
  sessions(): number[];
  stop(): Promise<void>;
}

/** Starts it; its shell prints before anything else, as some people's do. */
export async function startRemoteMachine(environment: Record<string, string> = {}): Promise<RemoteMachine> {
  const sshd = await ensureSshServer();
  // short: the path of a socket may have 103 characters
  const folder = mkdtempSync('/tmp/lmt-far-');
  const at = (name: string) => join(folder, name);
  const port = await freePort();
  for (const name of ['home', 'run', 'disk']) mkdirSync(at(name), { mode: 0o700 });
  mkdirSync('/run/sshd', { recursive: true });
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8g,mode=700', 'tmpfs', at('disk')]).status === 0;
  const resizeDisk = (megabytes: number) =>
    void execFileSync('mount', ['-o', `remount,size=${megabytes}m`, at('disk')], { stdio: 'ignore' });
  for (const key of ['host_key', 'my_key', 'other_key']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  }
  writeFileSync(at('authorized_keys'), readFileSync(at('my_key.pub')));
  const address = `[127.0.0.1]:${port}`;
  writeFileSync(at('known_hosts'), `${address} ${readFileSync(at('host_key.pub'), 'utf8')}`);
  writeFileSync(at('changed_hosts'), `${address} ${readFileSync(at('other_key.pub'), 'utf8')}`);
  writeFileSync(at('no_hosts'), '');
  writeFileSync(at('home/.bashrc'), "printf 'Welcome to the cluster!\\nYour quota is fine'\n");
  const variables = {
    HOME: at('home'),
    XDG_DATA_HOME: at('disk'),
    LM_TRANSPARENCY_RUNTIME_DIR: at('run'),
    ...environment,
  };
  const setEnv = Object.entries(variables).map(([name, value]) => `"${name}=${value}"`);
  writeFileSync(
    at('sshd_config'),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${at('host_key')}
AuthorizedKeysFile ${at('authorized_keys')}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
SetEnv ${setEnv.join(' ')}
`,
  );
  const host = (name: string, key: string, hosts: string, to = port) => `Host ${name}
  HostName 127.0.0.1
  Port ${to}
  User ${execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()}
  IdentityFile ${at(key)}
  IdentitiesOnly yes
  UserKnownHostsFile ${at(hosts)}
  GlobalKnownHostsFile /dev/null
`;
  writeFileSync(at('more.conf'), host('gpubox', 'my_key', 'known_hosts'));
  writeFileSync(
    at('config'),
    [
      `Include ${at('more.conf')}`,
      host('strange', 'my_key', 'no_hosts'),
      host('changed', 'my_key', 'changed_hosts'),
      host('refusing', 'other_key', 'known_hosts'),
      host('closed', 'my_key', 'known_hosts', 1),
      host('cluster', 'my_key', 'known_hosts'),
      'Host nowhere\n  HostName nowhere.invalid\n',
      'Host *.example.org\n  User somebody\n',
    ].join('\n'),
  );
  const output = openSync(at('log'), 'a');
  const daemon = spawn(sshd, ['-D', '-e', '-f', at('sshd_config')], { stdio: ['ignore', output, output] });
  closeSync(output);
  await waitUntil(() => readFileSync(at('log'), 'utf8').includes('Server listening'), 'sshd listens');
  return {
    configFile: at('config'),
    home: at('home'),
    runtime: at('run'),
    port,
    data: join(at('disk'), 'lm-transparency'),
    resizeDisk: isMounted ? resizeDisk : null,
    log: () => readFileSync(at('log'), 'utf8'),
    sessions: () => childrenOf(daemon.pid ?? 0),
    stop: () => end(daemon, folder),
  };
}

async function end(daemon: ChildProcess, folder: string): Promise<void> {
  for (const pid of childrenOf(daemon.pid ?? 0)) kill(pid, 'SIGKILL');
  daemon.kill('SIGKILL');
  spawnSync('umount', ['--lazy', join(folder, 'disk')]);
  await sleep(100);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Polls until something holds; says what did not come, and `how` it stood. */
export async function waitUntil(
  holds: () => boolean,
  what: string,
  timeoutMs = 30_000,
  how = (): string => '',
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what}: did not come within ${timeoutMs / 1000} s\n${how()}`);
    await sleep(50);
  }
}

/** Process ids whose command line matches. */
export function processes(pattern: RegExp): number[] {
  const listed = execFileSync('ps', ['-eo', 'pid=,stat=,args='], { encoding: 'utf8', maxBuffer: 1e8 });
  return listed.split('\n').flatMap((line) => {
    const [, pid, state, args] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid && args && !state?.startsWith('Z') && pattern.test(args) ? [Number(pid)] : [];
  });
}

/** The children of a process, and theirs. */
export function childrenOf(pid: number): number[] {
  const listed = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = listed
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const direct = pairs.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
  return direct.flatMap((child) => [child, ...childrenOf(child)]);
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
