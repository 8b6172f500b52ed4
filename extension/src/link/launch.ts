import { type ChildProcess, spawn } from 'node:child_process';
import { type Readable, Writable } from 'node:stream';
import { killable, killTree } from './killTree';
import { LineSplitter } from './lines';
import { Signal } from '../signal';

/** The arguments after the interpreter for a server on this machine, which the editor runs on too. */
export const SERVE_ARGUMENTS = ['-u', '-m', 'lm_transparency', 'serve', '--low-priority'] as const;

/** The same for the server that windows share. */
export const ATTACH_ARGUMENTS = ['-u', '-m', 'lm_transparency', 'attach', '--low-priority'] as const;

/** How the server ended. `problem`: it could not be started at all. */
export interface Exit {
  code: number | null;
  signal: string | null;
  problem: string;
}

/** What `attach` reports about the server it has joined. */
export interface Attached {
  version: string;
  processId: number;
  /** It was not there before. */
  started: boolean;
}

/** The link between this window and a server that outlives it. */
export interface Link {
  /** The machine on its other side; empty for this one. */
  host: string;
  /** Resolves when the server is joined; rejects where that does not come about. */
  attached: Promise<Attached>;
  /** How long the link may be silent before the server is joined, if longer than usual: it may wait in a queue. */
  patienceMs?: number | undefined;
  /** When something was last heard, in `Date.now()`. */
  heardAt(): number;
}

/** A running server process and its two pipes. */
export interface ServerProcess {
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<Exit>;
  /** The last lines it wrote to stderr. */
  lastLines(): readonly string[];
  kill(): Promise<void>;
  /** A line on stderr: it does something. */
  readonly signs: Signal<void>;
  /** The process is only the bridge to a server that outlives it. */
  readonly link?: Link;
}

export interface LaunchOptions {
  /** A folder of our own: Python would import from the working directory. */
  cwd: string;
  env: Record<string, string>;
  onLine: (line: string) => void;
}

const KEPT_LINES = 20;
/** What a server prints to stderr while it starts: it uses processor time. */
const PROGRESSING = 'lm-transparency progressing';
/** What a bridge, or the shell that waits for one, prints there about itself, whatever its server does. */
export const ALIVE = 'lm-transparency alive';

/** Starts a program as a server on stdio; argv, never a shell. */
export function launch(argv: readonly string[], options: LaunchOptions): ServerProcess {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, {
    cwd: options.cwd,
    env: options.env,
    shell: false,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...killable,
  });
  const lines: string[] = [];
  const signs = new Signal<void>();
  const splitter = new LineSplitter((line) => {
    if (line === ALIVE) return;
    signs.fire();
    if (line === PROGRESSING) return;
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    options.onLine(line);
  });
  child.stderr.on('data', (chunk: Buffer) => splitter.push(chunk));
  const exited = whenEnded(child).finally(() => splitter.end());
  return {
    pid: child.pid,
    stdin: forgiving(child.stdin),
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    lastLines: () => lines,
    kill: () => killTree(child),
    signs,
  };
}

/** Accepts writes after the process has ended: its exit says more than a broken pipe. */
function forgiving(stdin: Writable): Writable {
  stdin.on('error', () => undefined);
  return new Writable({
    write: (chunk: Buffer, encoding, done) => {
      if (stdin.writable) stdin.write(chunk, encoding, () => done());
      else done();
    },
    final: (done) => void stdin.end(() => done()),
  });
}

function whenEnded(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, problem: error.message });
    });
    child.on('close', (code, signal) => resolve({ code, signal, problem: '' }));
  });
}
