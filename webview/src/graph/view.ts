/** How the graph is looked at: the stage's size, zoom and pan, the colours. */
import { computed, signal } from '@preact/signals';
import { nodeLevel, parseEdge, parseNode } from '../names';
import type { Store } from '../state';
import { edgesOfHead } from '../views/headTotals';
import {
  clampCamera,
  computeLayout,
  frameOf,
  homeCamera,
  panCamera,
  revealed,
  wholeCamera,
  zoomCamera,
} from './layout';
import type { Camera, Size } from './layout';
import type { Palette } from './palette';

export type GraphView = ReturnType<typeof createGraphView>;

export function createGraphView(store: Store) {
  const size = signal<Size>({ width: 0, height: 0 });
  const palette = signal<Palette | null>(null);
  /** Null: at home, wherever that is for the present size. */
  const moved = signal<Camera | null>(null);

  const layout = computed(() => {
    const source = store.source.value;
    if (!source || size.value.width === 0) return null;
    return computeLayout(size.value, source.nTokens, source.nLayers, store.view.value === 'lens');
  });
  const emphasis = computed(() => {
    const source = store.source.value;
    const head = store.headFilter.value;
    return source && head ? edgesOfHead(source, head, store.tau.value, store.renormalize.value) : null;
  });
  const homeTarget = signal(0);
  const camera = computed<Camera | null>(() => {
    if (!layout.value) return null;
    return moved.value ? clampCamera(layout.value, moved.value) : homeCamera(layout.value, homeTarget.value);
  });
  const frame = computed(() => (layout.value && camera.value ? frameOf(layout.value, camera.value) : null));

  function pan(byX: number, byY: number): void {
    if (layout.value && camera.value) moved.value = panCamera(layout.value, camera.value, byX, byY);
  }

  function zoom(factor: number, x: number, y: number): void {
    if (layout.value && camera.value) moved.value = zoomCamera(layout.value, camera.value, factor, x, y);
  }

  /** Home; from home, all columns at once. */
  function fit(): void {
    if (!layout.value) return;
    const home = moved.value === null;
    homeTarget.value = store.target.value;
    moved.value = home ? wholeCamera(layout.value) : null;
  }

  function reset(): void {
    homeTarget.value = store.target.peek();
    moved.value = null;
  }

  /** Brings a node or an edge's upper end into view. */
  function reveal(name: string): void {
    const node = parseNode(name) ?? parseEdge(name)?.target;
    if (!node || !layout.value || !camera.value) return;
    const next = revealed(layout.value, camera.value, node.position, nodeLevel(node));
    if (next !== camera.value) moved.value = next;
  }

  /** Brings a column into view, at the height that is being looked at. */
  function revealColumn(position: number): void {
    if (!layout.value || !camera.value || !frame.value) return;
    const { plot, y0, dy } = frame.value;
    const next = revealed(layout.value, camera.value, position, (y0 - plot.y - plot.height / 2) / dy);
    if (next !== camera.value) moved.value = next;
  }

  /** True where there is something beside the plot to pan to. */
  const pannable = computed(() => {
    if (!layout.value || !camera.value) return false;
    const { columnWidth, nTokens, plot } = layout.value;
    return camera.value.scaleY > 1 || columnWidth * nTokens * camera.value.scaleX > plot.width + 1;
  });

  return { size, palette, layout, camera, frame, emphasis, pannable, pan, zoom, fit, reset, reveal, revealColumn };
}
