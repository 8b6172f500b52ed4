/** The target's prediction, and its rival's, over the layers: probability, and rank by powers of ten. */
import type { RefCallback } from 'preact';
import { useCallback, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { LensTrack, ModelInfo } from '../../../extension/shared/protocol';
import { classifies, outputFigure, outputText } from '../words/answer';
import { useLatest } from '../store/ask';
import { labelAt, tokenClass } from '../words/describe';
import { parseEdge, parseNode } from '../words/names';
import type { Store } from '../store/state';
import { count, signed } from '../words/words';
import { PROBABILITY_STEPS, probabilityStrength } from './scale';
import { chartX, chartY, linePath, rankHeight, rankTicks, rowAt } from './chart';
import type { Plot } from './chart';
import { cellName, rowOfNode } from './lensCells';
import type { LensState } from './lensState';
import { Waiting } from '../controls/waiting';

const PLOT: Plot = { width: 240, height: 92, left: 42, right: 6, top: 8, bottom: 16 };
const WIDEST = 420;
const GAP = 6;

interface Tick {
  height: number;
  label: string;
}

interface ChartsProps {
  store: Store;
  lens: LensState;
  /** Where the tokens are read. */
  position: number;
}

export function LensCharts({ store, lens, position }: ChartsProps) {
  const pointed = useSignal<number | null>(null);
  const { box, plot } = usePlot();
  const analysis = store.analysis.value;
  const predicted = lens.predicted.value;
  // a word that was looked for stands in the rival's place
  const rival = lens.looked.value ?? store.rival.value;
  const tokens = [predicted, rival].flatMap((token) => (token ? [token.id] : []));
  const { reply, latest } = useLatest(
    store,
    'lmTransparency/lensTrack',
    tokens.length ? { position, tokens: [...new Set(tokens)], ...store.lenses.reading.value } : null,
  );
  const tracks = latest?.tracks ?? [];
  const nRows = tracks[0]?.probability.length ?? 0;
  if (!analysis || nRows === 0) return <Waiting reply={reply} what="The chart over the layers" />;

  const selected = selectedRow(store.selection.value);
  const row = pointed.value ?? selected ?? nRows - 1;
  const go = (to: number): void => void (pointed.value = Math.max(0, Math.min(nRows - 1, to)));
  const open = (): void => store.select(cellName(row, position));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowLeft' || event.key === 'ArrowDown') go(row - 1);
    else if (event.key === 'ArrowRight' || event.key === 'ArrowUp') go(row + 1);
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(nRows - 1);
    else if (event.key === 'Enter') open();
    else return;
    event.preventDefault();
  };
  const worst = Math.max(1, ...tracks.flatMap((track) => track.rank));
  const { model } = analysis.meta;
  const logits = tracks.flatMap((track) => track.logit);
  const [low, high] = [Math.min(...logits), Math.max(...logits)];
  const shared = { plot, tracks, row, selected, pointed, open };
  return (
    <div ref={box} class="lens-chart" data-testid="lens-chart">
      <div
        class="charts"
        role="slider"
        tabIndex={0}
        aria-label="Layer"
        aria-valuemin={0}
        aria-valuemax={nRows - 1}
        aria-valuenow={row}
        aria-valuetext={inWords(tracks, row, model)}
        onKeyDown={onKeyDown}
        onBlur={() => (pointed.value = null)}
      >
        {model.task === 'value' ? (
          <Chart
            {...shared}
            title="value"
            heightOf={(track) => track.logit.map((value) => (value - low) / Math.max(1e-9, high - low))}
            ticks={[low, high].map((value, height) => ({ height, label: signed(value) }))}
          />
        ) : (
          <>
            <Chart
              {...shared}
              title="probability, log scale,"
              heightOf={(track) => track.probability.map(probabilityStrength)}
              ticks={PROBABILITY_STEPS.map(({ strength, label }) => ({ height: strength, label }))}
            />
            <Chart
              {...shared}
              title="rank, log scale,"
              heightOf={(track) => track.rank.map((rank) => rankHeight(rank, worst))}
              ticks={rankTicks(worst).map((rank) => ({ height: rankHeight(rank - 1, worst), label: short(rank) }))}
            />
          </>
        )}
      </div>
      <p class="readout">
        <span class="dim">
          {classifies(model) ? 'at' : 'after'}{' '}
          <bdi class={tokenClass(analysis, position)}>{labelAt(analysis, position)}</bdi>, {rowLabel(row)}:
        </span>
        {tracks.map((track, index) => (
          <span key={track.token} class={`track ${index === 0 ? 'target' : 'rival'}`}>
            <bdi class="token">{outputText(model, track.text)}</bdi>{' '}
            {outputFigure(model, track.probability[row] ?? 0, track.logit[row] ?? 0)}
            {model.task !== 'value' && <span class="dim"> rank {count((track.rank[row] ?? 0) + 1)}</span>}
          </span>
        ))}
      </p>
    </div>
  );
}

/** Two charts beside each other in the room there is, drawn to scale so that their text keeps its size. */
function usePlot(): { box: RefCallback<HTMLDivElement>; plot: Plot } {
  const width = useSignal(PLOT.width);
  const observer = useRef<ResizeObserver | null>(null);
  const box = useCallback(
    (element: HTMLDivElement | null) => {
      observer.current?.disconnect();
      if (!element) return;
      observer.current = new ResizeObserver(() => {
        const room = (element.querySelector('.charts')?.clientWidth ?? 0) - GAP;
        if (room > 0) width.value = Math.max(120, Math.min(WIDEST, Math.floor(room / 2)));
      });
      observer.current.observe(element);
    },
    [width],
  );
  return { box, plot: { ...PLOT, width: width.value } };
}

interface ChartProps {
  plot: Plot;
  tracks: LensTrack[];
  row: number;
  selected: number | null;
  pointed: Signal<number | null>;
  open: () => void;
  title: string;
  heightOf: (track: LensTrack) => number[];
  ticks: Tick[];
}

function Chart({ plot, tracks, row, selected, pointed, open, title, heightOf, ticks }: ChartProps) {
  const lines = tracks.map(heightOf);
  const nRows = lines[0]?.length ?? 0;
  const at = (event: PointerEvent): number => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return rowAt(plot, ((event.clientX - box.left) / Math.max(1, box.width)) * plot.width, nRows);
  };
  const x = chartX(plot, row, nRows);
  const foot = chartY(plot, 0);
  return (
    <svg
      class="chart"
      width={plot.width}
      height={plot.height}
      viewBox={`0 0 ${plot.width} ${plot.height}`}
      aria-hidden="true"
      onPointerMove={(event) => (pointed.value = at(event))}
      onPointerLeave={() => (pointed.value = null)}
      onClick={open}
    >
      <text class="title" x={plot.left} y={plot.height - 4}>
        {title} over the layers
      </text>
      {ticks.map((tick) => (
        <g key={tick.label}>
          <path class="line" d={`M${plot.left} ${chartY(plot, tick.height)}H${plot.width - plot.right}`} />
          <text class="tick" x={plot.left - 4} y={chartY(plot, tick.height) + 3}>
            {tick.label}
          </text>
        </g>
      ))}
      {selected !== null && <path class="selected" d={`M${chartX(plot, selected, nRows)} ${plot.top}V${foot}`} />}
      <path class="here" d={`M${x} ${plot.top}V${foot}`} />
      {lines.map((heights, index) => (
        <g key={index} class={index === 0 ? 'target' : 'rival'}>
          <path class="track" d={linePath(plot, heights)} />
          <circle cx={x} cy={chartY(plot, heights[row] ?? 0)} r="2.5" />
        </g>
      ))}
      <text class="tick end" x={plot.width - plot.right} y={plot.height - 4}>
        {nRows - 2}
      </text>
    </svg>
  );
}

function selectedRow(name: string | null): number | null {
  const node = name ? (parseNode(name) ?? parseEdge(name)?.target) : null;
  return node ? rowOfNode(node) : null;
}

const rowLabel = (row: number): string => (row === 0 ? 'embedding' : `layer ${row - 1}`);

const short = (rank: number): string => (rank >= 1000 ? `${rank / 1000}k` : String(rank));

function inWords(tracks: LensTrack[], row: number, model: ModelInfo): string {
  const each = tracks.map(
    (track) =>
      `'${track.text}' ${outputFigure(model, track.probability[row] ?? 0, track.logit[row] ?? 0)}, rank ${count((track.rank[row] ?? 0) + 1)}`,
  );
  return `${rowLabel(row)}: ${each.join('; ')}`;
}
