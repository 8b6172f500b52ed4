// The ssh daemon that plays the remote machine in tests; it listens on the loopback only, with keys of the test's own.
import { pathToFileURL } from 'node:url';
import { runAsProgram, stepReporter } from './steps.mjs';
import { isExecutable, installDebianPackages } from './system-packages.mjs';

const debianDaemon = '/usr/sbin/sshd';

/**
 * The path of an ssh daemon, installed from Debian when there is none.
 * @returns {Promise<string>}
 */
export async function ensureSshServer() {
  if (!isExecutable(debianDaemon)) {
    await stepReporter('ssh')('openssh-server from Debian', () =>
      installDebianPackages(['openssh-server'], 'The remote-machine tests need an ssh daemon'),
    );
  }
  return debianDaemon;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runAsProgram(async () => console.log(JSON.stringify({ sshd: await ensureSshServer() })));
}
