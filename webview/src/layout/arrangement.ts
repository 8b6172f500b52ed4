/** How the panel is divided between graph and inspector. */
import { signal } from '@preact/signals';

export type Part = 'graph' | 'inspector';

export const LEAST_SHARE = 0.2;
export const MOST_SHARE = 0.85;

export type Arrangement = ReturnType<typeof createArrangement>;

export function createArrangement() {
  /** The graph's share of the panel; null: as the style sheet has it. */
  const share = signal<number | null>(null);
  const maximized = signal<Part | null>(null);

  function divide(wanted: number): void {
    share.value = Math.min(MOST_SHARE, Math.max(LEAST_SHARE, wanted));
  }

  function toggle(part: Part): void {
    maximized.value = maximized.value === part ? null : part;
  }

  return { share, maximized, divide, toggle };
}

/** `m`: the part that has the focus takes all the room, or gives it back. */
export function maximizeKey(event: KeyboardEvent, arrangement: Arrangement): boolean {
  if (event.key !== 'm' || event.ctrlKey || event.metaKey || event.altKey) return false;
  const inside = event.target instanceof Element && event.target.closest('.side') !== null;
  arrangement.toggle(arrangement.maximized.value ?? (inside ? 'inspector' : 'graph'));
  return true;
}
