// A connection to the backend that all files of a run share, as a window makes it: `attach` over stdio.
import { spawn, type ChildProcess } from 'node:child_process';
import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node.js';
import { ANALYZE, PROTOCOL_VERSION } from '../../extension/shared/protocol.ts';
import { afterGreeting } from '../../extension/src/link/greeting.ts';
import { repositoryPython } from '../../scripts/host/paths.mjs';

/** An analysis: base64 of its payload. */
export interface Analysis {
  runId: string;
  payload: string;
}

export class Backend {
  private constructor(
    private readonly child: ChildProcess,
    private readonly connection: MessageConnection,
    /** The process that all connections lead to. */
    readonly processId: number,
    private readonly lines: string[],
  ) {}

  /** Joins the backend that is met in the folder `runtime`, or starts it. */
  static async join(runtime: string): Promise<Backend> {
    const child = spawn(repositoryPython(), ['-u', '-m', 'lm_transparency', 'attach'], {
      env: { ...process.env, LM_TRANSPARENCY_RUNTIME_DIR: runtime },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => lines.push(chunk.toString('utf8')));
    const { stream, attached } = afterGreeting(child.stdout);
    const { processId } = await attached.catch((cause: unknown) => {
      throw new Error(`The backend did not start:\n${lines.join('')}`, { cause });
    });
    const connection = createMessageConnection(new StreamMessageReader(stream), new StreamMessageWriter(child.stdin));
    connection.listen();
    const initializationOptions = { protocolVersion: PROTOCOL_VERSION };
    await connection.sendRequest('initialize', { processId: process.pid, capabilities: {}, initializationOptions });
    await connection.sendNotification('initialized', {});
    return new Backend(child, connection, processId, lines);
  }

  request(method: string, params: object): Promise<unknown> {
    return this.connection.sendRequest(method, params);
  }

  analyze(params: object): Promise<Analysis> {
    // with a token the backend computes in two steps, as it does for the extension
    return this.connection.sendRequest(ANALYZE, { ...params, partialResultToken: crypto.randomUUID() });
  }

  /** The backend's log since this connection was made. */
  log(): string {
    return this.lines.join('');
  }

  /** Leaves; the process stays for the others. */
  async leave(): Promise<void> {
    await this.connection.sendRequest('shutdown');
    await this.connection.sendNotification('exit');
    this.connection.dispose();
    this.child.stdin?.end();
  }
}
