/** One lens over all tokens and layers, drawn: what it reads in each cell. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { useSignal, useSignalEffect } from '@preact/signals';
import { attempt } from '../analysis/arrays';
import { classifies } from '../words/answer';
import { columnAt, levelY } from '../graph/layout';
import { Stage } from '../graph/stage';
import type { GraphView } from '../graph/view';
import type { Store } from '../store/state';
import { cellName, lensCells } from './lensCells';
import type { LensCells } from './lensCells';
import { useLensRows } from './lensRows';
import type { LensRows } from './lensRows';
import { drawLens, drawLensMarks, tintedCells } from './lensPaint';
import { CellTip } from './lensReadout';
import type { Followed, LensState } from './lensState';
import { OnFrame } from './onFrame';

export interface ReadGrid {
  reply: LensRows['reply'];
  cells: LensCells | null;
  /** Why an answer cannot be read. */
  problem: string | null;
  /** The token that the numbers of the cells are about: the one that was followed before, until there is an answer. */
  told: Followed | null;
}

/** What a lens, by the backend's name, reads in each cell. */
export function useLensGrid(store: Store, lens: LensState, name: string): ReadGrid {
  const token = lens.followed.value?.id ?? null;
  const reading = { normalize: store.lensNormalized.value, lens: name };
  const { reply, known } = useLensRows(store, token, reading);
  const { nLayers = 0, nTokens = 0 } = store.source.value ?? {};
  const model = store.analysis.value?.meta.model;
  const { value: cells, problem } = useMemo(
    () => attempt(() => lensCells(known, nLayers, nTokens, model?.task === 'value')),
    // a new list at each render, but the same answers
    [known[0], known.length, nLayers, nTokens, model],
  );
  const told = cells?.followed?.token === lens.followed.value?.id ? lens.followed.value : null;
  return { reply, cells, problem, told };
}

interface GridProps {
  store: Store;
  view: GraphView;
  lens: LensState;
  openFinder: () => void;
  read: ReadGrid;
  /** Names of the cells where a word is strongest. */
  strongest: readonly string[];
  /** Of the canvas. */
  testId?: string;
}

export function LensGrid({ store, view, lens, read, strongest, openFinder, testId = 'lens-grid' }: GridProps) {
  const { cells, told } = read;
  const grid = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const focused = useSignal(false);
  const shown = useSignal(cells);
  shown.value = cells;
  const marked = useSignal(strongest);
  marked.value = strongest;
  const painters = useMemo(() => ({ grid: new OnFrame(), over: new OnFrame() }), []);
  useEffect(
    () => () => {
      painters.grid.stop();
      painters.over.stop();
    },
    [painters],
  );
  const palette = view.palette.value;
  const colour = lens.colour.value;
  const tints = useMemo(() => cells && palette && tintedCells(cells, colour, palette), [cells, colour, palette]);
  const tinted = useSignal(tints);
  tinted.value = tints;

  useSignalEffect(() => {
    const [frame, size, colours, made] = [view.frame.value, view.size.value, view.palette.value, tinted.value];
    const [current, target] = [shown.value, store.target.value];
    const followed = lens.followed.value?.text ?? null;
    const by = lens.colour.value;
    const model = store.analysis.value?.meta.model;
    const canvas = grid.current;
    if (!canvas || !frame || !colours || !current || !made) return;
    painters.grid.ask(() =>
      drawLens(canvas, {
        cells: current,
        tints: made,
        colour: by,
        frame,
        size,
        palette: colours,
        target,
        followed,
        model,
      }),
    );
  });
  useSignalEffect(() => {
    const [frame, size, colours] = [view.frame.value, view.size.value, view.palette.value];
    const marks = {
      strongest: marked.value,
      selection: store.selection.value,
      hover: store.hover.value,
      caret: focused.value ? store.caret.value : null,
    };
    const canvas = over.current;
    if (canvas && frame && colours) painters.over.ask(() => drawLensMarks(canvas, size, frame, marks, colours));
  });

  const pick = (x: number, y: number): string | null => {
    const frame = view.frame.value;
    const source = store.source.value;
    if (!frame || !source || x < frame.plot.x || x > frame.plot.x + frame.plot.width) return null;
    const position = columnAt(frame, source.nTokens, x);
    const row = Math.round((levelY(frame, 0) - y) / frame.dy) + 1;
    const inside = y >= frame.plot.y && y <= frame.plot.y + frame.plot.height && row >= 0 && row <= source.nLayers;
    return inside && position >= 0 ? cellName(row, position) : null;
  };
  return (
    <Stage
      store={store}
      view={view}
      openFinder={openFinder}
      label={`Lens grid: ${classifies(store.analysis.value?.meta.model) ? 'the label' : 'the most probable next token'} after every layer. Arrows move, Enter opens, t makes the column the target, slash finds a token.`}
      roleDescription="lens grid"
      focused={focused}
      rows={(store.source.value?.nLayers ?? 0) + 1}
      pick={pick}
      tip={(name) => <CellTip store={store} cells={cells} followed={told} name={name} />}
    >
      <canvas ref={grid} data-testid={testId} aria-hidden="true" />
      <canvas ref={over} class="over" aria-hidden="true" />
    </Stage>
  );
}
