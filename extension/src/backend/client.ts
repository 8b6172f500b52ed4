import type { LogOutputChannel, OutputChannel } from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  StreamMessageReader,
  StreamMessageWriter,
  WorkDoneProgress,
} from 'vscode-languageclient/node';
import { type ClientOptions, type Health, HEALTH_CHANGED, PROTOCOL_VERSION } from '../../shared/protocol';
import { type Connection, readProgress } from './connection';
import type { ServerProcess } from './launch';

class QuietClient extends LanguageClient {
  // a start that fails is told by the panel, with a remedy
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Speaks with one server process through a LanguageClient; restarting is the `Backend`'s business, not the client's. */
export async function connect(
  server: ServerProcess,
  log: LogOutputChannel,
  told: Omit<ClientOptions, 'pings'>,
): Promise<Connection> {
  const quiet = atDebugLevel(log);
  const options: LanguageClientOptions = {
    outputChannel: quiet,
    traceOutputChannel: quiet,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationOptions: { protocolVersion: PROTOCOL_VERSION, ...told, pings: server.link !== undefined },
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
    },
  };
  const transports = () =>
    Promise.resolve({
      reader: new StreamMessageReader(server.stdout),
      writer: new StreamMessageWriter(server.stdin),
      detached: true,
    });
  const client = new QuietClient('lmTransparency', 'LM Transparency', transports, options);
  await client.start();
  return {
    sendRequest: (method, params, token) => client.sendRequest<unknown>(method, params, token),
    onHealth: (listener) => client.onNotification(HEALTH_CHANGED, (health: Health) => listener(health)),
    onProgress: (token, listener) =>
      client.onProgress(WorkDoneProgress.type, token, (value) => {
        const progress = readProgress(value);
        if (progress) listener(progress);
      }),
    close: () => client.dispose(2000).catch((error: unknown) => quiet.appendLine(String(error))),
  };
}

// the client reports every refused request; the panel has told the user already
function atDebugLevel(log: LogOutputChannel): OutputChannel {
  return {
    name: log.name,
    append: (text) => log.debug(text.trimEnd()),
    appendLine: (text) => log.debug(text),
    replace: (text) => log.debug(text),
    clear: () => undefined,
    show: () => log.show(true),
    hide: () => log.hide(),
    dispose: () => undefined,
  };
}
