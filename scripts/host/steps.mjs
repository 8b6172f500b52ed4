// Running the commands of an installation: quiet while they work; when one fails, the end of its log is shown.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

const shownLogLines = 25;
const runningCommands = new Set();

/** An installation problem whose message tells the user everything; it is shown without a stack trace. */
export class InstallError extends Error {}

/**
 * A reporter that prints one line a step, with the seconds it took, on stderr.
 * @param {string} title
 */
export function stepReporter(title) {
  /**
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  return async function step(name, work) {
    const begin = performance.now();
    const seconds = () => ((performance.now() - begin) / 1000).toFixed(1);
    try {
      const result = await work();
      process.stderr.write(`${title}: ${name} (${seconds()} s)\n`);
      return result;
    } catch (error) {
      process.stderr.write(`${title}: ${name} failed after ${seconds()} s\n`);
      throw error;
    }
  };
}

/**
 * Runs one command, its output going to `log`; rejects with the log's last lines when it fails.
 * @param {[program: string, ...args: string[]]} argv
 * @param {{ log: string, cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<void>}
 */
export function runLogged([program, ...args], { log, cwd, env }) {
  const output = openSync(log, 'a');
  return new Promise((resolve, reject) => {
    // A group of its own, so that an interrupted installation can end compilers and npm together.
    const child = spawn(program, args, {
      cwd,
      env: env ?? process.env,
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    runningCommands.add(child);
    const commandLine = [program, ...args].join(' ');
    child.on('error', (error) => {
      runningCommands.delete(child);
      reject(new InstallError(`${commandLine}\ncould not be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      runningCommands.delete(child);
      if (code === 0) return resolve();
      reject(
        new InstallError(
          `${commandLine}\nended with ${signal ?? `exit status ${code}`}; its log ends with:\n${lastLines(log)}`,
        ),
      );
    });
  });
}

/** Ends every command that still runs, with all its children. */
export function endRunningCommands() {
  for (const child of runningCommands) {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  }
}

/** @param {string} log */
function lastLines(log) {
  return readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .slice(-shownLogLines)
    .map((line) => `    ${line}`)
    .join('\n');
}

/**
 * Runs `main` as a command-line program: an InstallError becomes its message and exit status 1.
 * @param {() => Promise<void>} main
 */
export async function runAsProgram(main) {
  /** @type {Array<[NodeJS.Signals, number]>} */
  const signals = [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ];
  for (const [signal, status] of signals) {
    process.once(signal, () => process.exit(status));
  }
  process.once('exit', endRunningCommands);
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${error instanceof InstallError ? error.message : /** @type {Error} */ (error).stack}\n`);
    process.exit(1);
  }
}
