// The user settings that give a quiet window: no welcome, no tips, no telemetry, no updates, no chat.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { InstallError } from './steps.mjs';

/** @typedef {Record<string, unknown>} Settings */

/** @type {Settings} */
export const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'chat.disableAIFeatures': true,
  'chat.commandCenter.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'update.showReleaseNotes': false,
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'security.workspace.trust.enabled': false,
  'window.autoDetectColorScheme': false,
  'window.autoDetectHighContrast': false,
  'window.confirmBeforeClose': 'never',
  // the server's own port is the window's address; nothing else here is for a browser
  'remote.autoForwardPorts': false,
  // An address that names a file would otherwise drop all other editors and panels at each reload.
  'window.restoreWindows': 'preserve',
  // as in VS Code on a desktop; in a browser it is on, and a stray key would change a sample
  'files.autoSave': 'off',
};

/**
 * Lays `settings` over what a settings file holds already, and that over `defaults`.
 * @param {string} file
 * @param {Settings} settings
 * @param {Settings} [defaults]
 */
export function writeSettings(file, settings, defaults = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const merged = { ...defaults, ...readSettings(file), ...settings };
  writeFileSync(file, `${JSON.stringify(merged, undefined, 2)}\n`);
}

/** @param {string} file @returns {Settings} */
function readSettings(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new InstallError(`${file} is not plain JSON (comments are not understood here): mend or delete it.`);
  }
}
