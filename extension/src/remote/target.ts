import type * as vscode from 'vscode';
import { currentPlatform, type Platform } from '../setUp/paths';
import { Signal } from '../signal';
import { refuseHost } from './hosts';

/** The host whose backend this window uses, and the interpreter there. */
export interface Target {
  host: string;
  python: string;
  home: string;
  /** What a look at the machine found; it has no GPU where this is empty. */
  gpu: string;
}

/** The machine that paths are of. */
export interface Place {
  platform: Platform;
  home: string;
  /** Its files cannot be browsed from here. */
  isRemote?: boolean;
}

const TARGET = 'remote.target';
const RECENT = 'remote.recent';
const KEPT = 8;

/** Which backend this window uses: remembered for its workspace, and the hosts for all. Settings have no say in it. */
export class Targets {
  readonly changed = new Signal<Target | null>();

  constructor(
    private readonly workspace: vscode.Memento,
    private readonly global: vscode.Memento,
    private readonly localHome: string,
  ) {}

  /** Null: the backend of the machine that this extension runs on. */
  get current(): Target | null {
    return readTarget(this.workspace.get<unknown>(TARGET));
  }

  /** Newest first. */
  get recent(): Target[] {
    const kept = this.global.get<unknown>(RECENT);
    return Array.isArray(kept) ? kept.flatMap((item) => readTarget(item) ?? []) : [];
  }

  async use(target: Target | null): Promise<void> {
    await this.workspace.update(TARGET, target ?? undefined);
    if (target) {
      const others = this.recent.filter(({ host }) => host !== target.host);
      await this.global.update(RECENT, [target, ...others].slice(0, KEPT));
    }
    this.changed.fire(target);
  }

  /** The machine that paths of models are of. */
  place(): Place {
    const target = this.current;
    return target
      ? { platform: 'linux', home: target.home, isRemote: true }
      : { platform: currentPlatform(), home: this.localHome };
  }
}

function readTarget(value: unknown): Target | null {
  if (typeof value !== 'object' || value === null) return null;
  const { host, python, home, gpu } = value as Record<string, unknown>;
  if (typeof host !== 'string' || refuseHost(host) !== null) return null;
  if (typeof python !== 'string' || !python.startsWith('/')) return null;
  return { host, python, home: typeof home === 'string' ? home : '/', gpu: typeof gpu === 'string' ? gpu : '' };
}
