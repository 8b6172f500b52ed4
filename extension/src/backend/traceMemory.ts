import * as vscode from 'vscode';
import { CONFIGURE } from '../../shared/protocol';
import { SECTION, traceMemoryMb } from '../settings';
import type { Backend } from './backend';

/** Sends each backend process the memory budget of analyses when it is set and when it changes. */
export function tellTraceMemory(backend: Backend, log: (line: string) => void): vscode.Disposable {
  let told: number | null = null;
  const tell = () => {
    backend
      .request(CONFIGURE, { traceMemoryMb: traceMemoryMb() }, { early: true })
      .catch((error: unknown) => log(`could not tell the backend the memory for analyses: ${String(error)}`));
  };
  return vscode.Disposable.from(
    backend.changed.listen(({ phase }) => {
      if (phase !== 'running' || backend.sessionId === told) return;
      told = backend.sessionId;
      if (traceMemoryMb() > 0) tell();
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(`${SECTION}.traces`) && backend.status.phase === 'running') tell();
    }),
  );
}
