/** The stage, tokens across and layers up, with pointer, wheel and keys. Each view draws its own content. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { figureAt } from '../effects/table';
import { inWords, nodeTitle } from '../words/describe';
import { isFold } from '../groups/grouping';
import { groupTitle, joinedMark, spanOf } from '../groups/words';
import { parseEdge, parseNode } from '../words/names';
import type { Store } from '../store/state';
import { share } from '../words/words';
import { PredictionRow, TokenRow } from './axis';
import { LayerLabels } from './labels';
import { HEADER_HEIGHT, columnAt, px } from './layout';
import type { Layout } from './layout';
import { handleKey } from './keys';
import { Tooltip } from './tooltip';
import type { PointedAt } from './tooltip';
import type { GraphView } from './view';

interface Props {
  store: Store;
  view: GraphView;
  openFinder: () => void;
  /** The label for screen readers. */
  label: string;
  roleDescription: string;
  /** Whether the keyboard is on it. */
  focused: Signal<boolean>;
  /** The name of the mark at a point of the stage. */
  pick: (x: number, y: number) => string | null;
  /** The tooltip's content for a name. */
  tip: (name: string) => ComponentChildren;
  /** Rows that each have something to be read: where the parts are stacked, the stage is high enough for them. */
  rows?: number;
  /** The canvases. */
  children: ComponentChildren;
}

/** Less movement than this is a click. */
const DRAG_AFTER = 4;

export function Stage(props: Props) {
  const { store, view, openFinder, focused, pick } = props;
  const stage = useRef<HTMLDivElement>(null);
  const pointer = useSignal<PointedAt | null>(null);
  const dragging = useSignal(false);

  // at once: an observer that outlives its stage would find it without a height
  useLayoutEffect(() => {
    const element = stage.current;
    if (!element) return;
    const measure = (): void => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width !== view.size.peek().width || height !== view.size.peek().height) view.size.value = { width, height };
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [view]);

  useEffect(() => listenToWheel(stage.current, view), [view]);

  const at = (event: MouseEvent): { x: number; y: number } => {
    const box = stage.current?.getBoundingClientRect();
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) };
  };
  const under = (event: MouseEvent): string | null => {
    const { x, y } = at(event);
    return pick(x, y);
  };

  const onPointerDown = (event: PointerEvent): void => {
    if (event.button !== 0 || (event.target as Element).closest('button')) return;
    const start = at(event);
    let last = start;
    let moved = false;
    const move = (next: PointerEvent): void => {
      const here = at(next);
      if (!moved && Math.hypot(here.x - start.x, here.y - start.y) < DRAG_AFTER) return;
      moved = true;
      dragging.value = true;
      view.pan(last.x - here.x, last.y - here.y);
      last = here;
    };
    const up = (next: PointerEvent): void => {
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', up);
      window.removeEventListener('pointercancel', up);
      dragging.value = false;
      if (!moved && next.type === 'pointerup') store.select(under(next));
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up);
    window.addEventListener('pointercancel', up);
  };

  const onPointerMove = (event: PointerEvent): void => {
    if (dragging.value) return;
    const onChip = (event.target as Element).closest('button') !== null;
    const name = onChip ? null : under(event);
    store.hover.value = name;
    pointer.value = name === null ? null : { x: event.clientX, y: event.clientY, name };
  };
  const onPointerLeave = (): void => {
    store.hover.value = null;
    pointer.value = null;
  };
  const onDblClick = (event: MouseEvent): void => {
    // what a click folds, unfolds or brings into view has moved meanwhile
    if ((event.target as Element).closest('button:not(.chip, .prediction), .scaffold, .group')) return;
    const frame = view.frame.value;
    const { first, nColumns } = view.columns.value;
    if (frame) store.setTarget(first[columnAt(frame, nColumns, at(event).x)] ?? -1);
  };

  return (
    <div
      ref={stage}
      class={stageClass(store, view, dragging.value)}
      {...(props.rows ? { 'data-rows': props.rows, style: rowsStyle(props.rows, view.layout.value) } : {})}
      tabIndex={0}
      role="application"
      aria-roledescription={props.roleDescription}
      aria-label={props.label}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerLeave={onPointerLeave}
      onDblClick={onDblClick}
      onKeyDown={(event) => {
        focused.value = true;
        // The keyboard has taken over from the pointer.
        onPointerLeave();
        handleKey(event, { store, view, openFinder });
      }}
      onFocus={() => (focused.value = stage.current?.matches(':focus-visible') ?? false)}
      onBlur={() => (focused.value = false)}
    >
      {props.children}
      <LayerLabels store={store} view={view} />
      <PredictionRow store={store} view={view} />
      <TokenRow store={store} view={view} />
      <Tooltip pointer={pointer} tip={props.tip} />
      <Announcer store={store} />
    </div>
  );
}

function stageClass(store: Store, view: GraphView, dragging: boolean): string {
  const names = ['stage'];
  if (dragging) names.push('dragging');
  else if (store.hover.value) names.push('over-mark');
  else if (view.pannable.value) names.push('pannable');
  return names.join(' ');
}

/** Announces the keyboard's position. */
function Announcer({ store }: { store: Store }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  const name = store.caret.value;
  const known = name !== null && (parseNode(name) ?? parseEdge(name)) !== null;
  return (
    <div class="sr-only" aria-live="polite">
      {analysis && routes && known
        ? (joinedWords(store, name) ?? inWords(analysis, routes, name, figureAt(store.causes.known.value, name)))
        : ''}
    </div>
  );
}

/** The announcement for a group: its text, and that it opens. */
function joinedWords(store: Store, name: string): string | null {
  const shown = store.shown.value;
  const node = parseNode(name);
  const joined = shown && store.view.value === 'routes' ? joinedMark(shown, name) : null;
  if (!shown || !node || !joined) return null;
  const [first, end] = spanOf(shown.columns, shown.columns.of[node.position] ?? 0);
  const what = nodeTitle(node, shown.analysis.meta.layerKinds);
  if (isFold(shown.columns, shown.columns.of[node.position] ?? -1))
    return `folded: ${groupTitle(shown.analysis, first, end)}, ${what}, Enter unfolds`;
  return `group ${groupTitle(shown.analysis, first, end)}, ${what}, summed flow ${share(joined.value)}, g opens`;
}

/** Control or command with the wheel, or a pinch, zooms; the wheel alone pans where there is room. */
function listenToWheel(element: HTMLElement | null, view: GraphView): (() => void) | undefined {
  if (!element) return undefined;
  const onWheel = (event: WheelEvent): void => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      view.zoom(Math.exp(-event.deltaY * 0.004), event.clientX - box.left, event.clientY - box.top);
    } else if (view.pannable.value) {
      event.preventDefault();
      const sideways = event.shiftKey && event.deltaX === 0;
      view.pan(sideways ? event.deltaY : event.deltaX, sideways ? 0 : event.deltaY);
    }
  };
  element.addEventListener('wheel', onWheel, { passive: false });
  return () => element.removeEventListener('wheel', onWheel);
}

/** The height that so many rows can be read at, with what stands over and under them. */
const rowsStyle = (rows: number, layout: Layout | null) => ({
  '--lmt-rows': `${rows}`,
  ...(layout && { '--lmt-axes': px(HEADER_HEIGHT + layout.chipsHeight + layout.massHeight) }),
});
