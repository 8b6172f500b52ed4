import { type ChildProcess, spawn } from 'node:child_process';
import { within } from './within';

/** How to start a child so that `killTree` reaches its children too. */
export const killable = { detached: process.platform !== 'win32', windowsHide: true } as const;

/** Ends a process started with `killable` and all it started: politely, then after `graceMs` by force. */
export async function killTree(child: ChildProcess, graceMs = 2000): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(child.pid), '/T', '/F'], { windowsHide: true, stdio: 'ignore' }).on('error', () =>
      child.kill(),
    );
    await within(ended, graceMs);
    return;
  }
  signal(child.pid, 'SIGTERM');
  await within(ended, graceMs);
  if (!hasEnded(child)) signal(child.pid, 'SIGKILL');
  await within(ended, graceMs);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // the group is gone already
  }
}
