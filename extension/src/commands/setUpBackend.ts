import * as vscode from 'vscode';
import type { App } from '../app';
import { isCancelled, toFailure } from '../failure';
import { type Command, currentPlatform, pythonCommands } from '../setUp/paths';
import { setUp, type SetUpResult } from '../setUp/setUp';
import { readSettings, SECTION } from '../settings';

const SHOW_LOG = 'Show Log';

/** Set Up Backend: builds the environment, with progress and cancel; resolves with whether it is ready. */
export function setUpBackend(app: App): () => Promise<boolean> {
  let running: Promise<boolean> | null = null;
  // a second click joins the set-up that runs
  return () => (running ??= run(app).finally(() => (running = null)));
}

async function run(app: App): Promise<boolean> {
  if (!vscode.workspace.isTrusted) {
    return refuse('This workspace is not trusted, so nothing is installed for it.', 'Trust the workspace first.');
  }
  const bundle = await app.bundle();
  if (!bundle) {
    return refuse(
      'This build of the extension does not include the backend.',
      `Name an interpreter that has it in ${SECTION}.backend.python.`,
    );
  }
  if (!(await settingMakesWay())) return false;

  const options = {
    location: vscode.ProgressLocation.Notification,
    title: 'Setting up the LM Transparency backend',
    cancellable: true,
  };
  let result: SetUpResult;
  try {
    result = await vscode.window.withProgress(options, async (progress, cancel) => {
      const selected = await app.selectedPython();
      const platform = currentPlatform();
      const bases: Command[] = [...(selected ? [[selected] as const] : []), ...pythonCommands(platform, process.env)];
      return setUp({
        platform,
        storage: app.storage,
        env: process.env,
        environments: app.environments,
        bundle,
        bases,
        pipArguments: readSettings().pipArguments,
        log: (line) => app.log.info(`[set-up] ${line}`),
        report: (message) => progress.report({ message }),
        cancel,
      });
    });
  } catch (error) {
    if (isCancelled(error)) {
      app.log.info('[set-up] cancelled');
      return false;
    }
    const { message, remedy } = toFailure(error);
    return refuse(message, remedy, app);
  }
  if (!result.done) return refuse(result.trouble.message, result.trouble.remedy, app);
  app.log.info(`[set-up] done: ${result.python}`);
  await app.backend.stop();
  void vscode.window.showInformationMessage('The LM Transparency backend is set up.');
  return true;
}

/** The setting would win over the new environment: it is emptied if the user agrees. */
async function settingMakesWay(): Promise<boolean> {
  const { python } = readSettings();
  if (python === '') return true;
  const yes = 'Set Up and Empty the Setting';
  const question = `${SECTION}.backend.python names an interpreter (${python}) that is used instead of the extension's own environment.`;
  if ((await vscode.window.showWarningMessage(question, yes)) !== yes) return false;
  await vscode.workspace
    .getConfiguration(SECTION)
    .update('backend.python', undefined, vscode.ConfigurationTarget.Global);
  return true;
}

function refuse(message: string, remedy: string, app?: App): false {
  app?.log.error(`[set-up] ${message}`);
  const buttons = app ? [SHOW_LOG] : [];
  void vscode.window.showErrorMessage(`${message} ${remedy}`, ...buttons).then((chosen) => {
    if (chosen === SHOW_LOG) app?.log.show();
  });
  return false;
}
