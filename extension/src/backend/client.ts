import type { LogOutputChannel, OutputChannel } from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  type NotificationMessage,
  ProgressType,
  RevealOutputChannelOn,
  StreamMessageReader,
  StreamMessageWriter,
  WorkDoneProgress,
} from 'vscode-languageclient/node';
import { type ClientOptions, type Health, HEALTH_CHANGED, PROGRESSING, PROTOCOL_VERSION } from '../../shared/protocol';
import { PROMPT_LANGUAGES } from '../languages';
import { SECTION } from '../settings';
import { type Connection, readProgress } from '../link/connection';
import type { ServerProcess } from '../link/launch';

const PARTIAL = new ProgressType<unknown>();
const goodbye = { jsonrpc: '2.0', method: 'exit' } satisfies NotificationMessage;

class QuietClient extends LanguageClient {
  // the panel reports a failed start, with a remedy
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Speaks with one server process through a LanguageClient; restarting is the `Backend`'s business, not the client's. */
export async function connect(server: ServerProcess, log: LogOutputChannel, told: ClientOptions): Promise<Connection> {
  const quiet = atDebugLevel(log);
  const options: LanguageClientOptions = {
    documentSelector: PROMPT_LANGUAGES.map((language) => ({ language })),
    outputChannel: quiet,
    traceOutputChannel: quiet,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    // later changes are sent too
    synchronize: { configurationSection: SECTION },
    initializationOptions: { protocolVersion: PROTOCOL_VERSION, ...told },
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
    },
  };
  const writer = new StreamMessageWriter(server.stdin);
  const transports = () => Promise.resolve({ reader: new StreamMessageReader(server.stdout), writer, detached: true });
  const client = new QuietClient('lmTransparency', 'LM Transparency', transports, options);
  await client.start();
  return {
    sendRequest: (method, params, token) => client.sendRequest<unknown>(method, params, token),
    onHealth: (listener) => client.onNotification(HEALTH_CHANGED, (health: Health) => listener(health)),
    onProgressing: (listener) => client.onNotification(PROGRESSING, () => listener()),
    onProgress: (token, listener) =>
      client.onProgress(WorkDoneProgress.type, token, (value) => {
        const progress = readProgress(value);
        if (progress) listener(progress);
      }),
    onPartial: (token, listener) => client.onProgress(PARTIAL, token, listener),
    close: async () => {
      try {
        await client.dispose(2000);
      } catch (error) {
        quiet.appendLine(String(error));
        // one that is too busy to answer reads later that this window left, and was not lost
        await writer.write(goodbye).catch(() => undefined);
      }
    },
  };
}

// the client logs every refused request; the panel has already told the user
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
