/** How the panel is divided between graph and inspector: by its size, unless the user has arranged it. */
import { computed, signal } from '@preact/signals';
import type { PanelLayout } from '../../../extension/shared/webview';

export type Part = 'graph' | 'inspector';

export const LEAST_SHARE = 0.2;
export const MOST_SHARE = 0.85;
/** Pixels of the panel from which the inspector stands beside the graph, and not below. */
export const BESIDE_FROM = 1100;
/** A panel lower than this (a notebook's cell) has no height to divide: the inspector stands beside from here on. */
const LOW = 600;
const LOW_BESIDE_FROM = 760;

export type Arrangement = ReturnType<typeof createArrangement>;

export function createArrangement() {
  /** The graph's share of the panel; null: as the style sheet has it. */
  const share = signal<number | null>(null);
  const maximized = signal<Part | null>(null);
  /** Where the user wants the inspector; auto: by the size. */
  const place = signal<PanelLayout['place']>('auto');
  /** The panel's width in pixels; 0 before it is measured. */
  const width = signal(0);
  /** … and its height. */
  const height = signal(0);
  const usual = computed((): 'below' | 'beside' => {
    const isLow = height.value > 0 && height.value < LOW;
    return width.value > 0 && width.value < (isLow ? LOW_BESIDE_FROM : BESIDE_FROM) ? 'below' : 'beside';
  });
  const isStacked = computed(() => (place.value === 'auto' ? usual.value : place.value) === 'below');

  function divide(wanted: number): void {
    share.value = Math.min(MOST_SHARE, Math.max(LEAST_SHARE, wanted));
  }

  function toggle(part: Part): void {
    maximized.value = maximized.value === part ? null : part;
  }

  /** Moves the inspector below the graph, or beside it. */
  function turn(): void {
    const wanted = isStacked.peek() ? 'beside' : 'below';
    // where it would stand anyway, the size decides again
    place.value = wanted === usual.peek() ? 'auto' : wanted;
    share.value = null;
    maximized.value = null;
  }

  /** What outlives a reload. */
  const kept = computed<PanelLayout>(() => ({
    place: place.value,
    share: share.value,
    maximized: maximized.value,
  }));

  function restore(layout: PanelLayout): void {
    place.value = layout.place;
    share.value = layout.share;
    maximized.value = layout.maximized;
  }

  return { share, maximized, place, width, height, isStacked, kept, divide, toggle, turn, restore };
}

/** `m`: the part that has the focus takes all the room, or gives it back. */
export function maximizeKey(event: KeyboardEvent, arrangement: Arrangement): boolean {
  if (event.key !== 'm' || event.ctrlKey || event.metaKey || event.altKey) return false;
  const inside = event.target instanceof Element && event.target.closest('.side') !== null;
  arrangement.toggle(arrangement.maximized.value ?? (inside ? 'inspector' : 'graph'));
  return true;
}
