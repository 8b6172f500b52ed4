// Runs the stages of `make test` one after the other, and prints the time of each at the end. All stages run, even after a
// failure, so that one run shows everything that is broken.
// Usage: node scripts/test.mjs TARGET...
import { spawn } from 'node:child_process';
import process from 'node:process';
import { repositoryRoot } from './host/paths.mjs';
import { stageTable } from './stages/report.mjs';

/** Targets whose parts run in parallel. @type {Record<string, string[]>} */
const sideBySide = { checked: ['-j3'] };

/** @param {string} target @returns {Promise<number>} The exit code. */
function make(target) {
  const words = ['--no-print-directory', ...(sideBySide[target] ?? []), target];
  const child = spawn(process.env.MAKE ?? 'make', words, { cwd: repositoryRoot, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** @type {import('./stages/report.mjs').StageTime[]} */
const times = [];
for (const target of process.argv.slice(2)) {
  const begin = performance.now();
  const failed = (await make(target)) !== 0;
  if (failed) process.exitCode = 1;
  times.push({ name: target.replace(/^test-/, ''), milliseconds: performance.now() - begin, failed });
}
console.log(stageTable(times));
