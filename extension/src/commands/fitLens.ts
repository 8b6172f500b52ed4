import * as vscode from 'vscode';
import { ESTIMATE_FIT, type EstimateFitResult } from '../../shared/protocol';
import type { App } from '../app';
import type { Fitted } from '../models/lensFits';
import { askedBy } from '../panel/asked';
import { modelInWords } from '../words';
import { NOTHING_SET } from '../prompts/ask';
import { panelMeant } from './exportGraph';
import { reportFailure } from './report';

/** Numbers of sequences to choose from: the first already reads, and more read more steadily. */
const SIZES = [2, 8, 32];

interface Item extends vscode.QuickPickItem {
  /** null: until its readings settle. */
  sequences: number | null;
}

/** Fit Lens…: says how long it takes, then fits in the background; while one is under way, offers to stop it. */
export function fitLens(app: App): () => Promise<void> {
  return async () => {
    if (app.fits.current) return offerToStop(app);
    const model = modelMeant(app);
    const title = `Measuring how long a lens of ${modelInWords(model.source ?? '')} takes`;
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    try {
      const found = await vscode.window.withProgress(options, (progress, cancel) => {
        const onProgress = ({ message }: { message: string }) => progress.report({ message });
        return app.backend.request(ESTIMATE_FIT, model, { cancel, onProgress }) as Promise<EstimateFitResult>;
      });
      const chosen = await vscode.window.showQuickPick(fitItems(found), {
        title: 'Fit Lens',
        placeHolder: 'On how many sequences, sampled from the model? It reads from the first on, and goes on later',
      });
      if (chosen) app.fits.start(model, chosen.sequences);
    } catch (error) {
      await reportFailure(app, error);
    }
  };
}

/** What there is to choose, with the time that is left for it. */
export function fitItems({ fitted, sequenceSeconds }: EstimateFitResult): Item[] {
  const items = SIZES.filter((size) => size > fitted).map((sequences) => ({
    label: `${sequences} sequences`,
    description: `about ${duration((sequences - fitted) * sequenceSeconds)}`,
    sequences,
  }));
  const rest = { label: 'Until it settles', description: 'fewer than 5 % of its top tokens still change' };
  const there = fitted > 0 ? `${fitted} are fitted` : '';
  return [...items, { ...rest, sequences: null }].map((item) => ({ ...item, ...(there && { detail: there }) }));
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(10, Math.ceil(seconds / 10) * 10)} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} minutes` : `${(minutes / 60).toFixed(1)} hours`;
}

/** That of the panel in front, else that of the settings. */
function modelMeant(app: App): Fitted {
  const panel = panelMeant(app);
  const asked = panel?.shown?.asked ?? askedBy(app.settingsFor(panel?.uri ?? NOWHERE), NOTHING_SET);
  const { source, dtype, device, allowDownload } = asked;
  return { source, dtype, device, allowDownload };
}

const NOWHERE = vscode.Uri.parse('untitled:prompt');
const STOP = 'Stop';

async function offerToStop({ fits }: App): Promise<void> {
  const { fitting } = fits.current ?? {};
  const said = `The lens is being fitted: ${fitting?.message}. What is done is kept, and Fit Lens goes on there.`;
  if ((await vscode.window.showInformationMessage(said, STOP)) === STOP) fits.stop();
}
