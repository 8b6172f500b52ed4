// Runs the stages of a set-up in parallel, each as soon as its dependencies are done. Unchanged stages are skipped.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../host/lock.mjs';
import { endRunningCommands, InstallError, runLogged } from '../host/steps.mjs';
import { createStamps } from './stamps.mjs';

/**
 * @typedef {object} Stage
 * @property {string} name The name of its stamp and its log.
 * @property {string} title Its name in messages.
 * @property {string[]} [needs] Stages that must be done before; a change of their inputs also runs this stage again.
 * @property {string[]} [after] Stages that must be done before; a change of their inputs does not matter.
 * @property {string[]} [inputs] Files and folders whose content decides whether it runs again; without them `isDone` decides.
 * @property {string[]} [except] Parts of `inputs` that do not count.
 * @property {(file: string, content: string) => string} [digest] The part of an input's content that counts.
 * @property {string[]} [outputs] Files that exist afterwards.
 * @property {() => boolean} [isDone] A further check; false runs the stage.
 * @property {boolean} [isInstaller] Its stamp also counts while it is newer than its inputs, as in make.
 * @property {string} [lock] Shared by stages that must not run at the same time; by default each has its own.
 * @property {string} remedy What to do when it fails.
 * @property {(tools: Tools) => Promise<string[] | void>} work Returns absolute paths that must keep existing.
 */

/**
 * @typedef {object} Tools
 * @property {string} log
 * @property {(argv: [program: string, ...args: string[]], options?: { cwd?: string, env?: NodeJS.ProcessEnv }) => Promise<void>} run Runs a command with its output going to the log.
 * @property {(text: string) => void} say Shows the current step.
 */

/**
 * Runs the wanted stages and all their dependencies, unless they are up to date. The first failure stops the others, and
 * is thrown.
 * @param {Stage[]} stages
 * @param {string[]} wanted
 * @param {{ root: string, state: string, report: import('./report.mjs').Report }} options
 */
export async function runStages(stages, wanted, { root, state, report }) {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const stamps = createStamps(root, join(state, 'stamps'));
  mkdirSync(join(state, 'logs'), { recursive: true });
  /** @type {Map<string, Promise<void>>} */
  const started = new Map();
  /** @type {unknown} */
  let failure;

  /** @param {string} name @returns {Stage} */
  const stageOf = (name) => {
    const stage = byName.get(name);
    if (!stage) throw new InstallError(`There is no stage ${name}; there are ${[...byName.keys()].join(', ')}.`);
    return stage;
  };
  /** @param {Stage} stage @returns {string} */
  const keyOf = (stage) =>
    stamps.key(
      stage,
      (stage.needs ?? []).map((name) => keyOf(stageOf(name))),
    );
  /** @param {Stage} stage */
  const isFresh = (stage) => stamps.isFresh(stage, keyOf(stage));

  /** @param {string} name @returns {Promise<void>} */
  function ready(name) {
    const known = started.get(name);
    if (known) return known;
    const stage = stageOf(name);
    const promise = Promise.all([...(stage.needs ?? []), ...(stage.after ?? [])].map(ready)).then(() => make(stage));
    started.set(name, promise);
    return promise;
  }

  /** @param {Stage} stage */
  async function make(stage) {
    if (failure !== undefined) throw failure;
    if (isFresh(stage)) return;
    await withLock(stamps.lockOf(stage.lock ?? stage.name), async () => {
      // another process may have done the work meanwhile
      if (failure === undefined && !isFresh(stage)) await work(stage);
    });
  }

  /** @param {Stage} stage */
  async function work(stage) {
    const log = join(state, 'logs', `${stage.name}.log`);
    rmSync(log, { force: true });
    const key = keyOf(stage);
    stamps.begin(stage.name);
    report.begin(stage.title);
    try {
      const outputs = await stage.work({
        log,
        run: (argv, options) => runLogged(argv, { cwd: root, ...options, log }),
        say: (text) => report.detail(stage.title, text),
      });
      stamps.settle(stage.name);
      if (stage.inputs) stamps.write(stage.name, key, outputs ?? []);
      report.end(stage.title);
    } catch (error) {
      if (failure !== undefined) throw failure;
      stamps.settle(stage.name);
      report.fail(stage.title);
      failure = explained(error, stage, log);
      endRunningCommands();
      throw failure;
    }
  }

  await Promise.all(wanted.map(ready));
}

/** @param {unknown} error @param {Stage} stage @param {string} log */
function explained(error, stage, log) {
  if (!(error instanceof InstallError)) return error;
  return new InstallError(`${error.message}\n\nThe whole log: ${log}\n${stage.remedy}`);
}
