/** How the graph is looked at: the stage's size, zoom and pan, the colours. */
import { computed, effect, signal, untracked } from '@preact/signals';
import { singleColumns, sizeOf } from '../groups/grouping';
import type { Columns } from '../groups/grouping';
import { nodeLevel, parseEdge, parseNode } from '../words/names';
import { labelAt } from '../words/describe';
import { ordinalAt } from '../words/repeats';
import { textWidth } from '../words/words';
import type { Store } from '../store/state';
import {
  clampCamera,
  columnX,
  computeLayout,
  followed,
  frameOf,
  homeCamera,
  nearestColumn,
  panCamera,
  plotWidth,
  revealed,
  wholeCamera,
  zoomCamera,
} from './layout';
import type { Camera, Layout, Size } from './layout';
import type { Palette } from './palette';

export type GraphView = ReturnType<typeof createGraphView>;

/** Pixels from which on a token's text is not measured further. */
const LONG_ENOUGH = 80;
/** The width for columns changes in steps, so that resizing a window does not keep choosing other columns. */
const ROOM_STEP = 12;

export function createGraphView(store: Store) {
  const size = signal<Size>({ width: 0, height: 0 });
  const palette = signal<Palette | null>(null);
  /** Null: at home, wherever that is for the present size. */
  const moved = signal<Camera | null>(null);

  /** The lens reads every token: only the routes are grouped. */
  const columns = computed(() => {
    const own = store.columns.value ?? singleColumns(1);
    return own.grouped && store.view.value === 'lens' ? singleColumns(own.of.length) : own;
  });
  const columnOf = (position: number): number => columns.value.of[position] ?? position;
  /** Of the tokens that have columns; a long prompt has some long token in any case. */
  const longest = computed(() => {
    const analysis = store.analysis.value;
    const { first, nColumns } = columns.value;
    let most = 0;
    for (let column = 0; column < nColumns && most < LONG_ENOUGH; column++) {
      const position = first[column] ?? 0;
      if (!analysis || sizeOf(columns.value, column) > 1) continue;
      most = Math.max(most, textWidth(`${labelAt(analysis, position)}${ordinalAt(analysis, position)}`));
    }
    return most;
  });
  const layout = computed(() => {
    const source = store.source.value;
    if (!source || size.value.width === 0) return null;
    const lens = store.view.value === 'lens';
    const { nColumns, grouped, kind } = columns.value;
    return computeLayout(size.value, nColumns, source.nLayers, { cells: lens, grouped, kind, longest: longest.value });
  });
  const homeTarget = signal(0);
  const camera = computed<Camera | null>(() => {
    if (!layout.value) return null;
    return moved.value ? clampCamera(layout.value, moved.value) : homeCamera(layout.value, columnOf(homeTarget.value));
  });
  const frame = computed(() =>
    layout.value && camera.value ? frameOf(layout.value, camera.value, columns.value.of) : null,
  );

  function pan(byX: number, byY: number): void {
    if (layout.value && camera.value) moved.value = panCamera(layout.value, camera.value, byX, byY);
  }

  function zoom(factor: number, x: number, y: number): void {
    zoomed = true;
    if (layout.value && camera.value) moved.value = zoomCamera(layout.value, camera.value, factor, x, y);
  }

  /** Home; from home, all columns at once. */
  function fit(): void {
    if (!layout.value) return;
    const home = moved.value === null;
    zoomed = home;
    homeTarget.value = store.target.value;
    moved.value = home ? wholeCamera(layout.value) : null;
  }

  function reset(): void {
    zoomed = false;
    homeTarget.value = store.target.peek();
    moved.value = null;
  }

  /** After the prompt was edited: a chosen view stays, and the home view follows the target. */
  function keep(): void {
    if (moved.peek() === null) homeTarget.value = store.target.peek();
  }

  /** Brings a node or an edge's upper end into view. */
  function reveal(name: string): void {
    keepUp();
    const node = parseNode(name) ?? parseEdge(name)?.target;
    if (!node || !layout.value || !camera.value) return;
    const next = revealed(layout.value, camera.value, columnOf(node.position), nodeLevel(node));
    if (next !== camera.value) moved.value = next;
  }

  /** Brings a column into view, at the height that is being looked at. */
  function revealColumn(position: number): void {
    keepUp();
    if (!layout.value || !camera.value || !frame.value) return;
    const { plot, y0, dy } = frame.value;
    const next = revealed(layout.value, camera.value, columnOf(position), (y0 - plot.y - plot.height / 2) / dy);
    if (next !== camera.value) moved.value = next;
  }

  /** True if the content extends beyond the plot. */
  const pannable = computed(() => {
    if (!layout.value || !camera.value) return false;
    const { width, plot } = layout.value;
    return camera.value.scaleY > 1 || width * camera.value.scaleX > plot.width + 1;
  });

  /** The scale was chosen by hand. */
  let zoomed = false;
  let acted: number | null = null;
  let last: { columns: Columns; layout: Layout; camera: Camera; analysis: unknown } | null = null;

  /** After groups have opened or closed: keeps in place what was acted on, otherwise the selection, the target or the middle. */
  function keepUp(): void {
    const before = last;
    const now = { columns: columns.value, layout: layout.value, analysis: store.analysis.value };
    if (!now.layout) return void (last = null);
    const { width, plot } = now.layout;
    const fits = width <= plot.width + 1;
    // where all has room there is nothing to look for
    if (fits && !zoomed && before && before.columns !== now.columns) moved.value = null;
    const atHome = moved.value === null && fits;
    if (before && before.analysis === now.analysis && before.columns !== now.columns && !atHome) {
      const position = anchor(before.layout, before.camera, before.columns);
      const [from, to] = [before.columns.of[position] ?? 0, now.columns.of[position] ?? 0];
      moved.value = followed(before.layout, before.camera, from, now.layout, to);
    }
    if (camera.value) last = { ...now, layout: now.layout, camera: camera.value };
  }

  function anchor(was: Layout, cameraWas: Camera, { first, of, nColumns }: Columns): number {
    const frame = frameOf(was, cameraWas);
    const { x, width } = frame.plot;
    const name = store.selection.value ?? '';
    const selected = parseNode(name)?.position ?? parseEdge(name)?.target.position ?? null;
    const inView = (position: number | null): position is number => {
      const at = position === null ? NaN : columnX(frame, of[position] ?? 0);
      return at >= x && at <= x + width;
    };
    const middle = Math.min(nColumns - 1, Math.max(0, nearestColumn(frame, nColumns, x + width / 2)));
    return acted ?? [selected, store.target.value].find(inView) ?? first[middle] ?? 0;
  }

  /** Watches the columns and the room for them; returns how to stop that. */
  function follow(): () => void {
    const stops = [
      effect(() => {
        if (size.value.width > 0) store.room.value = Math.floor(plotWidth(size.value) / ROOM_STEP) * ROOM_STEP;
      }),
      effect(() => {
        if (columns.value && layout.value && camera.value) untracked(keepUp);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** A key or a click folds or unfolds; what is looked at stays where it is. */
  function changeColumns(change: () => boolean): boolean {
    const changed = change();
    if (changed) keepUp();
    return changed;
  }

  /** Opens or closes a token's group, which stays where it is. */
  function openGroup(position: number, open: boolean): void {
    acted = position;
    store.openGroup(position, open);
    keepUp();
    acted = null;
  }

  return {
    size,
    palette,
    columns,
    layout,
    camera,
    frame,
    follow,
    openGroup,
    changeColumns,
    pannable,
    pan,
    zoom,
    fit,
    reset,
    keep,
    reveal,
    revealColumn,
  };
}
