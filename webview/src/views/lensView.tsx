/** The lens grid: the model's prediction at every token after every layer. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { useSignal, useSignalEffect } from '@preact/signals';
import { attempt } from '../analysis/arrays';
import { classifies, outputText } from '../words/answer';
import { columnAt, levelY } from '../graph/layout';
import { Stage } from '../graph/stage';
import type { GraphView } from '../graph/view';
import type { Store } from '../store/state';
import { LensCharts } from './lensCharts';
import { cellName, lensCells } from './lensCells';
import type { LensCells } from './lensCells';
import { useLensRows } from './lensRows';
import { LensControls } from './lensControls';
import { drawLens, drawLensMarks, tintedCells } from './lensPaint';
import { CellReadout, CellTip } from './lensReadout';
import type { Followed, LensState } from './lensState';
import { OnFrame } from './onFrame';
import { Waiting } from '../controls/waiting';

interface Props {
  store: Store;
  view: GraphView;
  lens: LensState;
  openFinder: () => void;
}

export function LensView({ store, view, lens, openFinder }: Props) {
  const token = lens.followed.value?.id ?? null;
  const { reply, known } = useLensRows(store, token, store.lenses.reading.value);
  const { nLayers = 0, nTokens = 0 } = store.source.value ?? {};
  const model = store.analysis.value?.meta.model;
  const read = useMemo(
    () => attempt(() => lensCells(known, nLayers, nTokens, model?.task === 'value')),
    // a new list at each render, but the same answers
    [known[0], known.length, nLayers, nTokens, model],
  );
  const cells = read.value;
  const { followed } = lens;
  // until it is answered, the numbers are those of the token that was followed before
  const told = cells?.followed?.token === followed.value?.id ? followed.value : null;
  return (
    <>
      <LensGrid store={store} view={view} lens={lens} cells={cells} told={told} openFinder={openFinder} />
      <Waiting reply={reply} what="The lens grid" quiet={cells?.firstRow === 0} problem={read.problem} />
      <LensControls store={store} lens={lens} cells={cells} contrast={view.palette.value?.contrast ?? false} />
      {store.recording && cells && !cells.followed && followed.value && (
        <p class="waiting-line" role="status">
          This page has the grid without <bdi class="token">{outputText(model, followed.value.text)}</bdi>: its colours
          are those of the most probable tokens.
        </p>
      )}
      <CellReadout store={store} cells={cells} followed={told} />
      {reply?.state !== 'failed' && <LensCharts store={store} lens={lens} />}
    </>
  );
}

interface GridProps extends Props {
  cells: LensCells | null;
  /** The token that the numbers of the cells are about. */
  told: Followed | null;
}

function LensGrid({ store, view, lens, cells, told, openFinder }: GridProps) {
  const grid = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const focused = useSignal(false);
  const shown = useSignal(cells);
  shown.value = cells;
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
      <canvas ref={grid} data-testid="lens-grid" aria-hidden="true" />
      <canvas ref={over} class="over" aria-hidden="true" />
    </Stage>
  );
}
