// The browser that shows the workbench to the tests.
import { pathToFileURL } from 'node:url';
import { runAsProgram, InstallError, stepReporter } from './steps.mjs';
import { findOnPath, installDebianPackages, isExecutable } from './system-packages.mjs';

const debianChromium = '/usr/bin/chromium';

/**
 * The path of a Chromium, installed from Debian when there is none; CHROMIUM in the environment names another.
 * @returns {Promise<string>}
 */
export async function ensureBrowser() {
  const chosen = process.env.CHROMIUM;
  if (chosen) {
    const path = isExecutable(chosen) ? chosen : findOnPath(chosen);
    if (path) return path;
    throw new InstallError(`CHROMIUM names ${chosen}, which is not a program that can be started.`);
  }
  if (isExecutable(debianChromium)) return debianChromium;
  await stepReporter('browser')('chromium from Debian', () =>
    // Without a font of its own a bare machine draws boxes instead of letters.
    installDebianPackages(['chromium', 'fonts-dejavu-core'], 'The browser tests need Chromium'),
  );
  return debianChromium;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runAsProgram(async () => console.log(JSON.stringify({ chromium: await ensureBrowser() })));
}
