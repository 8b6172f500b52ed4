import { Failure } from '../failure';

/** Explains why ssh ended, from its output; null if the output is unknown. */
export function explainSsh(host: string, output: string): Failure | null {
  for (const [pattern, explain] of EXPLAINED) {
    const found = pattern.exec(output);
    if (found) return explain(host, found[1] ?? '');
  }
  return null;
}

/** The link broke; the server on the other side keeps what it has. */
export function linkLost(host: string, why = ''): Failure {
  const where = host === '' ? 'the backend' : host;
  return new Failure('linkLost', `The connection to ${where} was lost${why}.`, 'Reconnecting.');
}

type Explain = (host: string, detail: string) => Failure;

const unreachable =
  (what: (host: string, detail: string) => string, remedy: string): Explain =>
  (host, detail) =>
    new Failure('hostUnreachable', what(host, detail), remedy.replaceAll('HOST', host));

const EXPLAINED: readonly (readonly [RegExp, Explain])[] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    unreachable(
      (host) => `${host} presents a different host key from the one on record.`,
      'If the machine was reinstalled, remove the old key: ssh-keygen -R HOST. Otherwise someone may be intercepting the connection.',
    ),
  ],
  [
    /Host key verification failed|No \S+ host key is known for/,
    unreachable(
      (host) => `The host key of ${host} is not known yet.`,
      'Run `ssh HOST` once in a terminal and check the key.',
    ),
  ],
  [
    /Permission denied|Too many authentication failures|No more authentication methods|no mutual signature/i,
    unreachable(
      (host) => `${host} refused the login: it accepted none of your keys.`,
      'Check that `ssh HOST` works in a terminal without a prompt (ssh-agent, ssh-add).',
    ),
  ],
  [
    /Could not resolve hostname|Name or service not known|nodename nor servname/i,
    unreachable((host) => `There is no host ${host}.`, 'Check the name, the ssh config, or the VPN.'),
  ],
  [
    /Connection refused/i,
    unreachable((host) => `${host} takes no ssh connections.`, 'Check the port and that its ssh server is running.'),
  ],
  [
    /(?:Connection|Operation) timed out|No route to host|Network is unreachable|Host is down/i,
    unreachable((host) => `${host} cannot be reached.`, 'Check the network or the VPN.'),
  ],
  [
    /^(.*Bad configuration option.*|.*Bad owner or permissions.*|.*terminating, \d+ bad.*)$/im,
    unreachable((_, line) => `ssh does not accept its configuration: ${line.trim().slice(0, 200)}`, 'Correct it.'),
  ],
  [
    /is not recognized as|CommandNotFoundException|is not recognized as the name of a cmdlet/i,
    (host) =>
      new Failure(
        'remoteUnfit',
        `${host} runs Windows without a POSIX shell; the remote backend needs Linux or macOS.`,
        'Use WSL on it, or connect with Remote-SSH.',
      ),
  ],
  [
    /No module named '?lm_transparency|lm_transparency.*invalid choice: 'attach'|invalid choice: 'attach'/,
    (host) =>
      new Failure('remoteOutdated', `The backend on ${host} is missing or older than this extension.`, 'Set it up.'),
  ],
  [
    /(?:exec|sh): .*(?:not found|No such file or directory)|cannot execute/,
    (host) => new Failure('remoteOutdated', `The Python environment on ${host} is gone.`, 'Set it up again.'),
  ],
  [
    /No space left on device|Disk quota exceeded/i,
    (host) => new Failure('remoteUnfit', `The disk of ${host} is full.`, 'Free some space and try again.'),
  ],
];
