/** The extension's `Connection` over a bare JSON-RPC connection: LanguageClient itself needs a real VS Code. */
import { createMessageConnection, ProgressType, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { HEALTH_CHANGED } from '../../extension/shared/protocol';
import { type Connection, readProgress } from '../../extension/src/backend/connection';
import type { ServerProcess } from '../../extension/src/backend/launch';

export async function connectBare(server: ServerProcess): Promise<Connection> {
  const connection = createMessageConnection(
    new StreamMessageReader(server.stdout),
    new StreamMessageWriter(server.stdin),
  );
  connection.listen();
  await connection.sendRequest('initialize', { processId: process.pid, capabilities: {} });
  const progressType = new ProgressType<unknown>();
  return {
    sendRequest: (method, params, token) => connection.sendRequest(method, params, token),
    onHealth: (listener) => connection.onNotification(HEALTH_CHANGED, listener),
    onProgress: (token, listener) =>
      connection.onProgress(progressType, token, (value) => {
        const progress = readProgress(value);
        if (progress) listener(progress);
      }),
    close: async () => {
      const goodbye = async () => {
        await connection.sendRequest('shutdown');
        await connection.sendNotification('exit');
      };
      await Promise.race([goodbye().catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 300))]);
      connection.dispose();
    },
  };
}
