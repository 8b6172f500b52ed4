/** Keys of the graph; those with a meaning everywhere are handled in the panel. */
import { sizeOf } from '../groups/grouping';
import { nodeName, nodeRef, parseEdge, parseNode } from '../words/names';
import type { Store } from '../store/state';
import { directionOf, neighbour } from './keyboard';
import type { GraphView } from './view';

interface Context {
  store: Store;
  view: GraphView;
  openFinder: () => void;
}

const ZOOM_STEP = 1.25;

/** Acts on a key of the graph and keeps it from doing anything else. */
export function handleKey(event: KeyboardEvent, { store, view, openFinder }: Context): void {
  const meta = store.analysis.value?.meta;
  if (!meta || event.altKey || event.target !== event.currentTarget) return;
  if (event.ctrlKey || event.metaKey) {
    const isUndo = event.key === 'z' && !event.shiftKey && store.view.value === 'routes';
    if (isUndo && view.changeColumns(store.undoColumns)) event.preventDefault();
    return;
  }
  const direction = directionOf(event.key);
  const caret = store.caret.value ?? topNode(store);
  if (direction) {
    const next = store.caret.value ? neighbour(meta, caret, direction, event.shiftKey, view.columns.value) : caret;
    store.caret.value = next;
    view.reveal(next);
  } else if (!pressed(event.key, caret, { store, view, openFinder })) return;
  event.preventDefault();
}

function pressed(key: string, caret: string, { store, view, openFinder }: Context): boolean {
  const { plot } = view.layout.value ?? { plot: { x: 0, y: 0, width: 0, height: 0 } };
  const middle = [plot.x + plot.width / 2, plot.y + plot.height / 2] as const;
  switch (key) {
    case 'Enter':
    case ' ':
      if (isOnFold(caret, store, view)) return toggleGroup(caret, store, view);
      store.select(caret);
      return true;
    case 'Escape':
      return stepBack(store);
    case 't':
      store.setTarget(positionOf(store.caret.value ?? store.selection.value) ?? store.target.value);
      return true;
    case 'g':
      return toggleGroup(caret, store, view);
    case 'f':
      view.fit();
      return true;
    case '/':
      openFinder();
      return true;
    case '+':
    case '=':
      view.zoom(ZOOM_STEP, ...middle);
      return true;
    case '-':
      view.zoom(1 / ZOOM_STEP, ...middle);
      return true;
    default:
      return false;
  }
}

/** Where the keyboard is on tokens that have no column of their own, there is nothing to select yet. */
function isOnFold(caret: string, store: Store, { columns }: GraphView): boolean {
  const column = columns.value.of[positionOf(caret) ?? -1];
  return store.caret.value !== null && column !== undefined && (columns.value.kind?.[column] ?? 0) > 0;
}

/** Opens the group that the keyboard is on, or closes it again. */
function toggleGroup(caret: string, store: Store, view: GraphView): boolean {
  const position = positionOf(caret);
  const groups = store.groups.value;
  if (position === undefined || !groups || groups.unit === 'token' || store.view.value !== 'routes') return false;
  const { columns } = view;
  view.openGroup(position, sizeOf(columns.value, columns.value.of[position] ?? 0) > 1);
  view.reveal(caret);
  return true;
}

/** First the selection goes, then the keyboard's place. */
function stepBack(store: Store): boolean {
  if (store.selection.value !== null) store.select(null);
  else if (store.caret.value !== null) store.caret.value = null;
  else return false;
  return true;
}

/** Where the arrows start: at the selection, else at the target's last node. */
function topNode(store: Store): string {
  const { value: selection } = store.selection;
  const edge = selection ? parseEdge(selection) : null;
  if (edge) return nodeName(edge.target);
  if (selection && parseNode(selection)) return selection;
  const nLayers = store.source.value?.nLayers ?? 1;
  return nodeName(nodeRef('I', nLayers - 1, store.target.value));
}

const positionOf = (name: string | null): number | undefined =>
  name === null ? undefined : (parseNode(name)?.position ?? parseEdge(name)?.target.position);
