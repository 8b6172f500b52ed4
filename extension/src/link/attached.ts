import { Writable } from 'node:stream';
import { type LaunchOptions, launch, type ServerProcess } from './launch';
import { afterGreeting } from './greeting';
import { within } from './within';

const GOODBYE_MS = 1000;

/** Starts a bridge to a shared server. `script`: what the shell at its other end reads first. */
export function launchAttached(
  argv: readonly string[],
  host: string,
  script: string,
  options: LaunchOptions & { patienceMs?: number },
): ServerProcess {
  let heardAt = Date.now();
  const bridge = launch(argv, options);
  const { stream, attached } = afterGreeting(bridge.stdout);
  for (const stream of [bridge.stdout, bridge.stderr]) stream.on('data', () => (heardAt = Date.now()));
  if (script !== '') bridge.stdin.write(script);
  const stdin = script === '' ? bridge.stdin : heldBack(bridge.stdin, attached);
  return {
    ...bridge,
    stdin,
    stdout: stream,
    kill: () => leave(bridge, stdin),
    link: { host, attached, patienceMs: options.patienceMs, heardAt: () => heardAt },
  };
}

/** Ends a bridge by the end of its stdin, so that the goodbye that was written last arrives; then by force. */
async function leave(bridge: ServerProcess, stdin: Writable): Promise<void> {
  stdin.end();
  // nothing reads it any more, and unread output would hide the end
  bridge.stdout.unpipe().resume();
  await within(bridge.exited, GOODBYE_MS);
  await bridge.kill();
}

/** Takes writes at once and passes them on when `until` resolves: a shell may read on beyond the end of its script. */
function heldBack(stdin: Writable, until: Promise<unknown>): Writable {
  return new Writable({
    write: (chunk: Buffer, encoding, done) => {
      until.then(
        () => stdin.write(chunk, encoding, () => done()),
        () => done(),
      );
    },
    final: (done) => void until.catch(() => undefined).then(() => stdin.end(() => done())),
  });
}
