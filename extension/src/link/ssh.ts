/** How ssh is called: the person's own program and config, and what this window asks of the connection. */
export interface SshSettings {
  program: string;
  /** Another config file than ~/.ssh/config; empty for that. */
  configFile: string;
}

const OPTIONS = {
  // a question could not be answered: there is no terminal
  BatchMode: 'yes',
  StrictHostKeyChecking: 'yes',
  ConnectTimeout: '15',
  ServerAliveInterval: '5',
  ServerAliveCountMax: '3',
  // the person's config may ask for these; here they would only fail or wait
  RequestTTY: 'no',
  RemoteCommand: 'none',
  ClearAllForwardings: 'yes',
  ForwardAgent: 'no',
  ForwardX11: 'no',
  PermitLocalCommand: 'no',
} as const;

/**
 * argv that runs a shell on `host`, which reads its script from stdin: so no login shell gets to read our words.
 *
 * `fresh`: not over a shared connection (ControlMaster), which may be what is stuck.
 */
export function sshArgv(host: string, { program, configFile }: SshSettings, fresh = false): string[] {
  const options = { ...OPTIONS, ...(fresh && { ControlPath: 'none' }) };
  return [
    program || 'ssh',
    ...(configFile === '' ? [] : ['-F', configFile]),
    '-T',
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    '--',
    host,
    'exec /bin/sh -s',
  ];
}
