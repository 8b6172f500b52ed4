import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Processor time of a process on this machine, in an unspecified unit, for comparison. Null if unavailable. */
export async function processorTime(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // its own and its children's, in user and kernel mode; the name before it may contain anything
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.length > 15 ? fields.slice(11, 15).join(' ') : null;
  }
  if (process.platform === 'win32') return null;
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'time=', '-p', `${pid}`], (error, told) => resolve(error ? null : told.trim()));
  });
}
