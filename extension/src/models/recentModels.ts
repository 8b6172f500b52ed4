import type { Memento } from 'vscode';

const KEY = 'recentModels';
const MOST = 8;

/** The models that were chosen last, the latest first. The embedded one is always listed and not among them. */
export class RecentModels {
  constructor(private readonly memory: Memento) {}

  list(): string[] {
    const kept = this.memory.get<unknown>(KEY);
    const sources = Array.isArray(kept) ? kept.filter((source): source is string => typeof source === 'string') : [];
    return sources.slice(0, MOST);
  }

  async add(source: string): Promise<void> {
    if (source === '') return;
    const others = this.list().filter((known) => known !== source);
    await this.memory.update(KEY, [source, ...others].slice(0, MOST));
  }
}
