/** The columns of the graph: chosen groups, or folds that leave room for what carries the routes and effects. */
import { batch, computed, signal, type ReadonlySignal } from '@preact/signals';
import type { Grouping, ViewState } from '../../../extension/shared/webview';
import type { Analysis } from '../analysis/payload';
import type { EffectTable } from '../effects/table';
import { carriedBy } from '../groups/carriers';
import { foldColumns, foldsOf, isIn } from '../groups/folds';
import type { Stretch } from '../groups/folds';
import { columnsOf, groupAt, groupsOf, sizeOf } from '../groups/grouping';
import type { Columns, Groups } from '../groups/grouping';
import type { Routes } from '../routes/routes';
import { parseEdge, parseNode } from '../words/names';

/** The part of the state that it depends on; see `createStore`. */
interface Asked {
  analysis: ReadonlySignal<Analysis | null>;
  target: ReadonlySignal<number>;
  threshold: ReadonlySignal<number | 'auto'>;
  selection: ReadonlySignal<string | null>;
  editorPosition: ReadonlySignal<number | null>;
  settledRoutes: ReadonlySignal<Routes | null>;
  /** Null while they are still being measured. */
  settledEffects: ReadonlySignal<EffectTable | null>;
}

/** Until the graph has a place. */
const USUAL_ROOM = 720;

/** Tokens that have a column, and what they were chosen for. */
interface Chosen {
  about: string;
  threshold: number;
  groups: Groups;
  shown: ReadonlySet<number>;
}

export function createColumns(asked: Asked) {
  const { analysis, target, threshold, selection, editorPosition, settledRoutes, settledEffects } = asked;
  /** Width of the plot in pixels. */
  const room = signal(USUAL_ROOM);
  const grouping = signal<Grouping>('auto');
  /** First positions of the groups that were opened by hand, and the stretches that were unfolded. */
  const opened = signal<ReadonlySet<number>>(new Set());
  const unfolded = signal<readonly Stretch[]>([]);

  let last: Chosen | null = null;

  /** Of one target and width, columns are only added: dragging the threshold or measuring must not take one away. */
  const folds = computed(() => {
    const [run, routes] = [analysis.value, settledRoutes.value];
    if (!run || !routes || routes.mass.length % run.meta.tokens.length > 0) return null;
    const about = JSON.stringify([run.meta.runId, routes.target, grouping.value, room.value]);
    // Auto begins with its own again
    const goesOn = last?.about === about && (threshold.value !== 'auto' || last.threshold === routes.threshold);
    const before = goesOn && last ? last.shown : new Set<number>();
    const carried = carriedBy(run, routes, settledEffects.value);
    const found = foldsOf(run.meta.tokens, { room: room.value, target: routes.target, carried, before });
    const groups = goesOn && last && isSame(last.groups.first, found.first) ? last.groups : found;
    last = { about, threshold: routes.threshold, groups, shown: new Set(shownIn(groups)) };
    return groups;
  });
  const groups = computed<Groups | null>(() => {
    if (!analysis.value) return null;
    return grouping.value === 'auto' ? folds.value : groupsOf(analysis.value.meta, grouping.value);
  });

  /** Positions that always have a column: the target's, the selection's and the cursor's. */
  const held = computed<ReadonlySet<number>>(() => {
    const name = selection.value ?? '';
    const edge = parseEdge(name);
    const positions = [target.value, parseNode(name)?.position, edge?.source.position, edge?.target.position];
    if (grouping.value === 'auto') positions.push(editorPosition.value ?? undefined);
    return new Set(positions.filter((position) => position !== undefined));
  });
  /** Groups that stay open for them. */
  const heldGroups = computed<ReadonlySet<number>>(() => {
    const read = groups.value;
    return new Set(read ? [...held.value].map((position) => groupAt(read, position)) : []);
  });

  let lastColumns: Columns | null = null;
  const columns = computed(() => {
    const read = groups.value;
    if (!read) return null;
    const { value: stretches } = unfolded;
    const now = read.kind
      ? foldColumns(read, (position) => held.value.has(position) || isIn(stretches, position))
      : columnsOf(read, (group) => heldGroups.value.has(group) || opened.value.has(read.first[group] ?? -1));
    return (lastColumns = lastColumns && areSame(lastColumns, now) ? lastColumns : now);
  });
  /** Something folds, or would if it had not been unfolded. */
  const foldable = computed(() => folds.value?.unit === 'fold');

  /** What was changed by hand, to be undone: columns before each change. */
  let past: { grouping: Grouping; opened: ReadonlySet<number>; unfolded: readonly Stretch[] }[] = [];

  function change(make: () => void): void {
    past.push({ grouping: grouping.value, opened: opened.value, unfolded: unfolded.value });
    batch(make);
  }

  /** The columns before the last change; false if there was none. */
  function undoColumns(): boolean {
    const before = past.pop();
    if (!before) return false;
    batch(() => {
      grouping.value = before.grouping;
      opened.value = before.opened;
      unfolded.value = before.unfolded;
    });
    return true;
  }

  function setGrouping(next: Grouping): void {
    change(() => {
      grouping.value = next;
      opened.value = new Set();
      unfolded.value = [];
    });
  }

  /** Opens or closes a token's group or fold; a held one stays open. */
  function openGroup(position: number, open: boolean): void {
    const [read, now] = [groups.value, columns.value];
    if (!read || !now) return;
    if (read.kind) {
      const column = now.of[position] ?? 0;
      const [first = 0, end = 0] = now.first.subarray(column, column + 2);
      if (open && end - first > 1) unfold(first, end);
      else if (!open && isIn(unfolded.value, position))
        change(() => (unfolded.value = unfolded.value.filter((one) => !isIn([one], position))));
      return;
    }
    const first = read.first[groupAt(read, position)] ?? 0;
    if (opened.value.has(first) === open) return;
    const next = new Set(opened.value);
    if (open) next.add(first);
    else next.delete(first);
    change(() => (opened.value = next));
  }

  /** Gives tokens columns of their own. */
  function unfold(first: number, end: number): void {
    change(() => (unfolded.value = [...unfolded.value, [first, end]]));
  }

  /** Gives one token a column: its group opens, and a fold parts at it. */
  function showToken(position: number): void {
    const now = columns.value;
    if (!now || sizeOf(now, now.of[position] ?? 0) === 1) return;
    if (groups.value?.kind) unfold(position, position + 1);
    else openGroup(position, true);
  }

  /** All tokens have columns, or none but those that carry something. */
  function unfoldAll(): boolean {
    if (!foldable.value) return false;
    setGrouping(grouping.value === 'token' ? 'auto' : 'token');
    return true;
  }

  /** As the host remembers it. */
  function restoreColumns(kept: Partial<ViewState> | null): void {
    past = [];
    grouping.value = kept?.grouping ?? 'auto';
    const isAuto = grouping.value === 'auto';
    opened.value = new Set(isAuto ? [] : (kept?.opened ?? []));
    unfolded.value = isAuto ? pairsOf(kept?.opened ?? []) : [];
  }

  const columnsState = (): Pick<ViewState, 'grouping' | 'opened'> => ({
    grouping: grouping.value,
    opened: grouping.value === 'auto' ? unfolded.value.flat() : [...opened.value],
  });

  return {
    room, grouping, opened, unfolded, groups, heldGroups, columns, foldable,
    setGrouping, openGroup, showToken, unfoldAll, undoColumns, restoreColumns, columnsState,
  }; // prettier-ignore
}

/** Ends of stretches as they are kept: first position, and the one after the last, by turns. */
function pairsOf(ends: readonly number[]): Stretch[] {
  const pairs: Stretch[] = [];
  for (let i = 0; i + 1 < ends.length; i += 2) pairs.push([ends[i] ?? 0, ends[i + 1] ?? 0]);
  return pairs.filter(([first, end]) => end > first);
}

const areSame = (a: Columns, b: Columns): boolean =>
  isSame(a.first, b.first) && isSame(a.group, b.group) && isSame(a.kind ?? [], b.kind ?? []);

/** Positions with a column of their own. */
function shownIn({ first, kind }: Groups): number[] {
  const shown: number[] = [];
  kind?.forEach((what, group) => what === 0 && shown.push(first[group] ?? 0));
  return shown;
}

function isSame(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
