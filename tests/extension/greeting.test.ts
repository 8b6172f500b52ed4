import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { afterGreeting, readServerEnd } from '../../extension/src/link/greeting';
import { explainSsh } from '../../extension/src/link/sshFailure';

describe('the beginning of the stream', () => {
  const read = async (...chunks: (string | Buffer)[]) => {
    const stdout = new PassThrough();
    const { stream, attached } = afterGreeting(stdout);
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    for (const chunk of chunks) {
      stdout.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stdout.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const told = await attached.catch((error: Error) => error.message);
    return { told, text: Buffer.concat(received).toString() };
  };
  const GREETING = 'lm-transparency attached {"version": "0.1.0", "processId": 7, "started": true}\n';
  const TOLD = { version: '0.1.0', processId: 7, started: true };

  it.each([
    ['alone', [`\n${GREETING}body`]],
    ['behind what a shell prints', ['Welcome!\nlm-transparency is great', `\n${GREETING}body`]],
    ['byte by byte', [...`motd\n${GREETING}body`]],
  ])('is found %s', async (_, chunks) => {
    expect(await read(...chunks)).toEqual({ told: TOLD, text: 'body' });
  });

  it('is missed when the stream ends without it', async () => {
    expect(await read('This account is currently not available.\n')).toEqual({ told: 'no greeting', text: '' });
  });

  it('reports how a server ended', () => {
    const line = 'lm-transparency ended {"code": null, "signal": "SIGKILL", "outOfMemory": true, "lines": ["a"]}';
    expect(readServerEnd(['x', line])).toEqual({ code: null, signal: 'SIGKILL', outOfMemory: true, lines: ['a'] });
    expect(readServerEnd(['x'])).toBeNull();
  });
});

describe('what ssh says', () => {
  it.each([
    ['Host key verification failed.', /host key of gpu1 is not known/, /Run `ssh gpu1` once in a terminal/],
    ['No ED25519 host key is known for gpu1 and you have requested strict checking.', /not known/, /ssh gpu1/],
    ['@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @', /different host key/, /ssh-keygen -R gpu1/],
    ['me@gpu1: Permission denied (publickey).', /refused the login/, /ssh-add/],
    ['ssh: Could not resolve hostname gpu1: Name or service not known', /no host gpu1/, /VPN/],
    ['ssh: connect to host gpu1 port 22: Connection refused', /no ssh connections/, /port/],
    ['ssh: connect to host gpu1 port 22: Connection timed out', /cannot be reached/, /network/],
    ['/home/me/.ssh/config: line 3: Bad configuration option: foo', /does not accept its configuration/, /Correct/],
    ["'exec' is not recognized as an internal or external command", /runs Windows/, /WSL/],
    ['/x/python: No module named lm_transparency', /missing or older/, /Set it up/],
    ['/bin/sh: 1: exec: /x/python: not found', /is gone/, /Set it up again/],
    ['OSError: [Errno 28] No space left on device', /disk of gpu1 is full/, /Free/],
  ])('%s', (line, message, remedy) => {
    const failure = explainSsh('gpu1', line);
    expect(failure?.message).toMatch(message);
    expect(failure?.remedy).toMatch(remedy);
  });

  it('is not guessed at', () => {
    expect(explainSsh('gpu1', 'debug1: something')).toBeNull();
  });
});
