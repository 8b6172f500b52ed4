import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { repositoryPython } from '../../scripts/host/paths.mjs';
import { processes, quickInput, quickInputRow, type RemoteMachine, runCommand } from './harness/index.ts';

export const CONNECT = 'LM Transparency: Connect to Remote Backend…';

/** The environment of sessions over there. */
export function farEnvironment(): Record<string, string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return { XDG_CACHE_HOME: cache, OMP_NUM_THREADS: '2', PATH: pathWithPython() };
}

function pathWithPython(): string {
  const found = execFileSync(repositoryPython(), ['-c', 'import sys; print(sys.base_prefix)'], { encoding: 'utf8' });
  return `${found.trim()}/bin:/usr/local/bin:/usr/bin:/bin`;
}

/** Connect to Remote Backend…, and that host. */
export async function chooseHost(page: Page, host: string): Promise<void> {
  await runCommand(page, CONNECT);
  await quickInput(page).locator('input.input').fill(host);
  await quickInputRow(page, host).click();
}

/** What runs over there, and between. */
export class FarView {
  constructor(private readonly far: Pick<RemoteMachine, 'runtime' | 'configFile'>) {}

  /** The log of all servers. */
  log(): string {
    const names = readdirSync(this.far.runtime).filter((name) => name.endsWith('.log'));
    return names.map((name) => readFileSync(join(this.far.runtime, name), 'utf8')).join('');
  }

  count(word: string): number {
    return this.log().split(word).length - 1;
  }

  /** Process ids of the servers that live. */
  servers(): number[] {
    const alive = processes(/lm_transparency/);
    return [...this.log().matchAll(/Listening, process (\d+)/g)]
      .map(([, pid]) => Number(pid))
      .filter((pid) => alive.includes(pid));
  }

  /** Process ids of ssh. */
  links(): number[] {
    return processes(new RegExp(`^ssh -F ${this.far.configFile}`));
  }

  sockets(): string[] {
    return readdirSync(this.far.runtime).filter((name) => name.endsWith('.sock'));
  }
}
