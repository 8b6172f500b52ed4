/** The routes: nodes and kept edges on the stage. */
import { useEffect, useRef } from 'preact/hooks';
import { useSignal, useSignalEffect } from '@preact/signals';
import type { Store } from '../store/state';
import { LeavingChips } from './leavingChips';
import { Painter } from './painter';
import { pick } from './picking';
import { Stage } from './stage';
import { RouteTip } from './tooltip';
import type { GraphView } from './view';

interface Props {
  store: Store;
  view: GraphView;
  openFinder: () => void;
}

export function RoutesGraph({ store, view, openFinder }: Props) {
  const graph = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const painter = useRef<Painter | null>(null);
  const focused = useSignal(false);

  useEffect(() => {
    if (!graph.current || !over.current) return;
    const made = new Painter(graph.current, over.current);
    painter.current = made;
    return () => made.stop();
  }, []);

  useSignalEffect(() => {
    const shown = store.shown.value;
    const frame = view.frame.value;
    const palette = view.palette.value;
    const marks = {
      selection: store.selection.value,
      hover: store.hover.value,
      selectionEdges: store.selectionEdges.value,
      hoverEdges: store.hoverEdges.value,
      caret: focused.value ? store.caret.value : null,
      editorPosition: store.editorPosition.value,
    };
    const size = view.size.value;
    if (!shown || !frame || !palette) return;
    painter.current?.show({ shown, frame, size, palette, marks });
  });

  const under = (x: number, y: number): string | null => {
    const { value: shown } = store.shown;
    const { value: frame } = view.frame;
    return shown && frame ? pick(shown, frame, x, y) : null;
  };
  return (
    <Stage
      store={store}
      view={view}
      openFinder={openFinder}
      label="Information-flow routes. Arrows move, Enter opens, t makes the column the target, slash finds a token, u unfolds all."
      roleDescription="route graph"
      focused={focused}
      pick={under}
      tip={(name) => <RouteTip store={store} name={name} />}
    >
      <canvas ref={graph} data-testid="graph-canvas" aria-hidden="true" />
      <canvas ref={over} class="over" aria-hidden="true" />
      <LeavingChips store={store} view={view} />
    </Stage>
  );
}
