import * as vscode from 'vscode';
import type { LoadModelParams } from '../../shared/protocol';
import { type Failure, toFailure } from '../failure';
import { readSettings, trustedModels } from '../settings';
import { sizeText } from '../words';

/** What goes along with a request that may load a model. */
export type LoadingParams = Pick<LoadModelParams, 'trustRemoteCode' | 'anyway' | 'dtype'>;

/** Sends a request that may load a model; where memory will not suffice the person is asked, and it is sent again. */
export async function askForRoom<T>(send: (params: LoadingParams) => Promise<T>): Promise<T> {
  let params: LoadingParams = { trustRemoteCode: trustedModels() };
  for (;;) {
    try {
      return await send(params);
    } catch (error) {
      const failure = toFailure(error);
      const more = failure.kind === 'tooLarge' && !params.anyway ? await choose(failure) : null;
      if (!more) throw failure;
      params = { ...params, ...more };
    }
  }
}

const ANYWAY = 'Load Anyway';
const SMALLER = 'Choose a Smaller Precision';

/** null: neither. */
async function choose({ message, memory }: Failure): Promise<LoadingParams | null> {
  const sizes = memory ? `The model needs ${sizeText(memory.needed)}, ${sizeText(memory.free)} free. ` : '';
  const options = { modal: true, detail: `${message} If memory runs out, the system may end the backend.` };
  const chosen = await vscode.window.showWarningMessage(`${sizes}Load it anyway?`, options, ANYWAY, SMALLER);
  if (chosen === ANYWAY) return { anyway: true };
  if (chosen !== SMALLER) return null;
  const isChosen = await vscode.commands.executeCommand<boolean>('lmTransparency.selectDtype');
  return isChosen ? { dtype: readSettings().dtype } : null;
}
