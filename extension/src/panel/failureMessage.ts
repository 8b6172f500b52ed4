import type { PanelAction, ToWebview } from '../../shared/webview';
import type { Failure, FailureKind } from '../failure';

export const LABELS: Record<PanelAction, string> = {
  analyze: 'Analyze Prompt',
  retry: 'Try Again',
  cancel: 'Cancel',
  showLog: 'Show Log',
  setUpBackend: 'Set Up Backend',
  selectModel: 'Select Model',
  selectDevice: 'Select Device',
  selectDtype: 'Select Precision',
  unloadModel: 'Unload Model',
  choosePrompt: 'Choose Prompt',
  restartBackend: 'Restart Backend',
  connectRemote: 'Connect to Another Host',
  setUpRemote: 'Set Up on the Host',
  useLocalBackend: 'Use Local Backend',
  dismiss: 'Dismiss',
  openSettings: 'Open Settings',
  manageTrust: 'Manage Workspace Trust',
  fitLens: 'Fit Lens…',
  stopFit: 'Stop',
  saveRun: 'Save Run Beside Prompt',
  copyPromptLink: 'Copy Link to Prompt',
};

const HELPFUL: Record<FailureKind, readonly PanelAction[]> = {
  invalidParams: ['retry', 'openSettings', 'showLog'],
  invalidPrompt: ['retry', 'choosePrompt'],
  promptTooLong: ['retry', 'selectModel'],
  invalidPosition: ['retry'],
  modelNotFound: ['selectModel', 'retry', 'showLog'],
  modelUnusable: ['selectModel', 'retry', 'showLog'],
  modelUnsupported: ['selectModel', 'showLog'],
  dependencyMissing: ['setUpBackend', 'showLog'],
  tooLarge: ['selectDtype', 'selectModel', 'selectDevice', 'retry'],
  outOfMemory: ['selectModel', 'selectDtype', 'selectDevice', 'retry', 'showLog'],
  costly: ['retry', 'selectModel', 'openSettings'],
  runExpired: ['retry'],
  cancelled: ['retry'],
  internal: ['retry', 'showLog'],
  backendMissing: ['setUpBackend', 'openSettings', 'showLog'],
  backendOutdated: ['setUpBackend', 'openSettings', 'showLog'],
  backendStopped: ['retry', 'showLog'],
  linkLost: ['retry', 'useLocalBackend', 'showLog'],
  hostUnreachable: ['retry', 'connectRemote', 'useLocalBackend', 'showLog'],
  remoteOutdated: ['setUpRemote', 'useLocalBackend', 'showLog'],
  remoteUnfit: ['connectRemote', 'useLocalBackend', 'showLog'],
  untrusted: ['manageTrust'],
  noDocument: [],
  incomplete: [],
  noResult: ['analyze'],
};

/** The buttons that help against a failure, most helpful first. */
export function actionsFor(failure: Failure): { action: PanelAction; label: string }[] {
  return HELPFUL[failure.kind].map((action) => ({ action, label: LABELS[action] }));
}

/** A failure as the panel's state. */
export function failureMessage(failure: Failure): Extract<ToWebview, { type: 'failure' }> {
  return { type: 'failure', message: failure.message, remedy: failure.remedy, actions: actionsFor(failure) };
}
