import { spawn } from 'node:child_process';
import type { Cancel } from '../cancel';
import { cancelled } from '../failure';
import { killable, killTree } from '../link/killTree';
import { LineSplitter } from '../link/lines';
import { processorTime } from './processorTime';

export interface RunOptions {
  cwd: string;
  env: Record<string, string>;
  cancel?: Cancel;
  /** Give up after this long without output or processor time. */
  silenceMs?: number;
  onLine?: (line: string) => void;
  /** Its stdin; empty by default. */
  input?: readonly (string | Uint8Array)[];
}

/** How a program ended. `problem` says why it could not be started or was given up; then `code` is null. */
export interface RunResult {
  code: number | null;
  output: string;
  problem: string;
}

const KEPT_OUTPUT = 200_000;

/** Runs a program to its end, argv only. Cancelling ends it with all its children, then rejects. */
export async function runProcess(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  if (options.cancel?.isCancellationRequested) throw cancelled();
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, {
    cwd: options.cwd,
    env: options.env,
    shell: false,
    stdio: [options.input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...killable,
  });
  // the exit of a process that ends early says more than the broken pipe
  child.stdin?.on('error', () => undefined);
  for (const part of options.input ?? []) child.stdin?.write(part);
  child.stdin?.end();
  let output = '';
  const read = () => {
    const splitter = new LineSplitter((line) => options.onLine?.(line));
    return (chunk: Buffer) => {
      const text = splitter.push(chunk);
      output = (output + text).slice(-KEPT_OUTPUT);
    };
  };
  child.stdout?.on('data', read());
  child.stderr?.on('data', read());

  let problem = '';
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      problem = error.code === 'ENOENT' ? 'not found' : error.message;
      if (child.pid === undefined) resolve(null);
    });
    child.on('close', (code, signal) => {
      if (signal !== null && problem === '') problem = `ended by ${signal}`;
      resolve(code);
    });
  });
  const { silenceMs } = options;
  const arm = (): void => {
    clearTimeout(timer);
    if (silenceMs === undefined || over) return;
    timer = setTimeout(() => {
      void hasWorked().then((worked) => {
        if (worked) return arm();
        if (over) return;
        problem = `silent for ${Math.round(silenceMs / 1000)} s`;
        void killTree(child);
      });
    }, silenceMs);
  };
  let before: string | null = null;
  const hasWorked = async (): Promise<boolean> => {
    const now = child.pid === undefined ? null : await processorTime(child.pid);
    const worked = now !== null && now !== before;
    before = now;
    return worked;
  };
  arm();
  child.stdout?.on('data', arm);
  child.stderr?.on('data', arm);
  const listening = options.cancel?.onCancellationRequested(() => void killTree(child));
  const code = await ended;
  over = true;
  clearTimeout(timer);
  listening?.dispose();
  if (options.cancel?.isCancellationRequested) throw cancelled();
  return { code: problem === '' ? code : null, output, problem };
}
