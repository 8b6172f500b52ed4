/** The extension's `Connection` over a bare JSON-RPC connection: LanguageClient itself needs a real VS Code. */
import { createMessageConnection, ProgressType, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { HEALTH_CHANGED, PROGRESSING } from '../../extension/shared/protocol';
import { type Connection, readProgress } from '../../extension/src/link/connection';
import type { ServerProcess } from '../../extension/src/link/launch';

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
    onProgressing: (listener) => connection.onNotification(PROGRESSING, () => listener()),
    onProgress: (token, listener) =>
      connection.onProgress(progressType, token, (value) => {
        const progress = readProgress(value);
        if (progress) listener(progress);
      }),
    onPartial: (token, listener) => connection.onProgress(progressType, token, listener),
    close: async () => {
      // a connection that is closed throws at once
      const quietly = (send: () => Promise<unknown>) =>
        Promise.resolve()
          .then(send)
          .catch(() => undefined);
      const patience = new Promise((resolve) => setTimeout(resolve, 300));
      await Promise.race([quietly(() => connection.sendRequest('shutdown')), patience]);
      // answered or not, as the real one does
      await quietly(() => connection.sendNotification('exit'));
      connection.dispose();
    },
  };
}
