// Sets up and builds what is missing, in parallel where possible. Usage: node scripts/prepare.mjs TARGET...
import { join } from 'node:path';
import { repositoryRoot } from './host/paths.mjs';
import { InstallError, runAsProgram } from './host/steps.mjs';
import { findOnPath } from './host/system-packages.mjs';
import { nodeStages } from './stages/node.mjs';
import { pythonStages } from './stages/python.mjs';
import { createReport } from './stages/report.mjs';
import { runStages } from './stages/runner.mjs';
import { createStamps } from './stages/stamps.mjs';

const state = join(repositoryRoot, '.venv');

/** @type {Record<string, () => string[]>} Names for more than one stage. */
const targets = {
  setup: () => ['python-tests', 'npm', 'model'],
  // code-server is only needed where there is no VS Code
  run: () => ['python', 'npm', 'model', 'vsix', ...(findOnPath('code') ? [] : ['code-server'])],
};

await runAsProgram(async () => {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20) throw new InstallError(`Node 20 or newer is needed; this is ${process.version}.`);
  const stages = [...pythonStages(createStamps(repositoryRoot, join(state, 'stamps'))), ...nodeStages];
  const wanted = process.argv.slice(2).flatMap((name) => targets[name]?.() ?? [name]);
  // under `make -j` other recipes share the terminal, and redrawn lines would garble their output
  const alone = !/jobserver/.test(process.env.MAKEFLAGS ?? '');
  const report = createReport(process.stderr, { live: process.stderr.isTTY && alone });
  process.once('exit', report.close);
  await runStages(stages, wanted, { root: repositoryRoot, state, report });
});
