import { statfs } from 'node:fs/promises';
import type { Cancel } from '../cancel';
import type { Environments } from './environment';
import { cancelled, isCancelled } from '../failure';
import { backendEnvironment, type Command, interpreterOf, type Platform } from './paths';
import { type FullProbe, probePython } from './probe';
import { runProcess, type RunResult } from './runProcess';
import {
  checkArgv,
  explainInstall,
  explainNoBase,
  isConstraintTrouble,
  judgeBase,
  pipArgv,
  readPipLine,
  type Trouble,
  venvArgv,
} from './setUpSteps';
import type { Bundle } from './wheel';

export interface SetUpWorld {
  platform: Platform;
  storage: string;
  env: Readonly<Record<string, string | undefined>>;
  environments: Environments;
  bundle: Bundle;
  /** Interpreters to try, best first. */
  bases: readonly Command[];
  pipArguments: readonly string[];
  /** argv of the last step, which imports what was installed. */
  check?: (python: string) => string[];
  log(line: string): void;
  report(message: string): void;
  cancel: Cancel;
}

export type SetUpResult = { done: true; python: string } | { done: false; trouble: Trouble };

const LEAST_FREE_BYTES = 1.5e9;

/** Builds an environment of our own and installs the bundled wheel into it. Rejects only when it is cancelled. */
export async function setUp(world: SetUpWorld): Promise<SetUpResult> {
  world.report('Looking for Python');
  const { base, probes } = await findBase(world);
  if (base === null) return { done: false, trouble: explainNoBase(probes, world.platform) };
  const full = await diskTrouble(world.storage);
  if (full) return { done: false, trouble: full };

  const folder = await world.environments.create();
  try {
    const trouble = await build(world, base, folder);
    if (trouble) {
      await world.environments.remove(folder);
      return { done: false, trouble };
    }
    await world.environments.finish(folder, world.bundle.version);
  } catch (error) {
    await world.environments.remove(folder).catch(() => undefined);
    if (isCancelled(error)) throw error;
    world.log(String(error));
    return { done: false, trouble: explainInstall(String(error), '', world.platform) };
  }
  void world.environments.tidy();
  return { done: true, python: interpreterOf(folder, world.platform) };
}

async function findBase(world: SetUpWorld): Promise<{ base: string | null; probes: FullProbe[] }> {
  const probes: FullProbe[] = [];
  const where = { cwd: world.storage, env: backendEnvironment(world.env, true), cancel: world.cancel };
  for (const command of world.bases) {
    const probe = await probePython(command, where);
    const verdict = judgeBase(probe);
    world.log(
      `${command.join(' ')}: ${verdict.usable ? `Python ${probe.version?.join('.') ?? ''}, suitable` : verdict.why}`,
    );
    if (verdict.usable) return { base: probe.executable || command[0], probes };
    probes.push(probe);
  }
  return { base: null, probes };
}

async function build(world: SetUpWorld, base: string, folder: string): Promise<Trouble | null> {
  const python = interpreterOf(folder, world.platform);
  world.report('Creating an environment');
  const made = await step(world, venvArgv(base, folder));
  if (made.code !== 0) return explainInstall(made.output, made.problem, world.platform);

  world.report('Installing the backend');
  let installed = await step(world, pipArgv(python, world.bundle, world.pipArguments, true));
  if (installed.code !== 0 && world.bundle.constraints !== null && isConstraintTrouble(installed.output)) {
    world.log('the tested versions do not exist for this Python; installing the newest compatible ones');
    installed = await step(world, pipArgv(python, world.bundle, world.pipArguments, false));
  }
  if (installed.code !== 0) return explainInstall(installed.output, installed.problem, world.platform);

  world.report('Checking what was installed');
  const checked = await step(world, (world.check ?? checkArgv)(python));
  return checked.code === 0 ? null : explainInstall(checked.output, checked.problem, world.platform);
}

async function step(world: SetUpWorld, argv: readonly string[]): Promise<RunResult> {
  if (world.cancel.isCancellationRequested) throw cancelled();
  world.log(`> ${argv.map((word) => (/\s/.test(word) ? JSON.stringify(word) : word)).join(' ')}`);
  const env = { ...backendEnvironment(world.env, true), PYTHONNOUSERSITE: '1' };
  return runProcess(argv, {
    cwd: world.storage,
    env,
    cancel: world.cancel,
    onLine: (line) => {
      world.log(line);
      const message = readPipLine(line);
      if (message !== null) world.report(message);
    },
  });
}

async function diskTrouble(folder: string): Promise<Trouble | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    if (free >= LEAST_FREE_BYTES) return null;
    const message = `Only ${(free / 1e9).toFixed(1)} GB are free on the disk of ${folder}.`;
    return { message, remedy: 'The backend needs about 6 GB (2 GB without CUDA). Free some space and try again.' };
  } catch {
    // not every file system reports it
    return null;
  }
}
