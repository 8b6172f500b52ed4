import * as vscode from 'vscode';
import type { App } from '../app';
import { toFailure } from '../failure';
import { HEALTH, type Health, UNLOAD_MODEL } from '../../shared/protocol';
import { DTYPES, readSettings } from '../settings';
import { deviceItems, dtypeItems, type SettingItem } from './computeItems';
import { FROM_PANEL, offerAnalysis } from './offerAnalysis';
import { picked, pointAt } from './quickPick';

/** Select Device; resolves with whether one was chosen. */
export function selectDevice(app: App): (from?: unknown) => Promise<boolean> {
  return async (from) => {
    const { device } = readSettings();
    const quickPick = vscode.window.createQuickPick<SettingItem>();
    quickPick.title = 'Select Device';
    quickPick.placeholder = 'Where the model computes';
    const update = (health: Health | null) => {
      quickPick.items = deviceItems(health?.devices ?? [], device);
      pointAt(
        quickPick,
        quickPick.items.filter(({ value }) => value === device),
      );
    };
    update(null);
    quickPick.busy = true;
    const hidden = new vscode.CancellationTokenSource();
    // asked again: GPUs are known only once PyTorch is loaded
    app.backend
      .request(HEALTH, {}, { cancel: hidden.token })
      .then((health) => update(health as Health))
      .catch((error: unknown) => (quickPick.placeholder = `No list of devices: ${toFailure(error).message}`))
      .finally(() => (quickPick.busy = false));
    const chosen = await picked(quickPick);
    hidden.cancel();
    hidden.dispose();
    return chosen !== undefined && change(app, 'device', device, chosen.value, from);
  };
}

/** Select Precision; resolves with whether one was chosen. */
export function selectDtype(app: App): (from?: unknown) => Promise<boolean> {
  return async (from) => {
    const { dtype } = readSettings();
    const chosen = await vscode.window.showQuickPick(dtypeItems(DTYPES, dtype), {
      title: 'Select Precision',
      placeHolder: 'The number format the model is loaded in',
    });
    return chosen !== undefined && change(app, 'dtype', dtype, chosen.value, from);
  };
}

const NAMES = { device: 'device', dtype: 'precision' } as const;

async function change(app: App, key: keyof typeof NAMES, before: string, now: string, from: unknown): Promise<boolean> {
  await app.choice.set(key, now);
  if (now === before) return true;
  await makeRoom(app);
  if (from !== FROM_PANEL) void offerAnalysis(app, `The ${NAMES[key]} is ${now} now`);
  return true;
}

/** The loaded model goes first, so that its next form finds the memory free. */
async function makeRoom(app: App): Promise<void> {
  const loaded = app.backend.status.health?.loaded ?? [];
  if (app.backend.sessionId === null || loaded.length === 0) return;
  await app.backend
    .request(UNLOAD_MODEL, {})
    .catch((error: unknown) => app.log.warn(`the model was not unloaded: ${toFailure(error).message}`));
}
