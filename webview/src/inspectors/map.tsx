/** One map: rows are queries, columns are keys, ink is the value. Pointer and arrow keys move through its cells. */
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { Signal } from '@preact/signals';
import { labelAt } from '../words/describe';
import { attentionEdgeName } from '../words/names';
import type { Analysis } from '../analysis/payload';
import { px } from '../graph/layout';
import type { Store } from '../store/state';
import { share } from '../words/words';
import { cellAt, largestOf, paint, spanOf } from './cells';
import type { Cell, Grid } from './cells';
import { putPixels, readInks } from './inks';

export type MapKind = 'attention' | 'contribution';

interface Props {
  store: Store;
  analysis: Analysis;
  kind: MapKind;
  layer: number;
  /** The map's name: "Layer 23 head 4". */
  of: string;
  /** The head whose map is drawn; null while none is. */
  drawn: number | 'all' | null;
  values: Float32Array | null;
  /** Where the largest of each cell is, where cells hold several tokens. */
  at: Uint32Array | null;
  grid: Grid;
  /** Width of the row labels; 0 leaves them to the map beside. */
  gutter: number;
  /** Length of the column labels where every column has one. */
  reach: number;
  logarithmic: boolean;
  marked: Cell;
  hovered: Signal<Cell | null>;
  onPick: (cell: Cell) => void;
  /** Handles a key; true if it moved the mark. */
  onStep: (key: string) => boolean;
  /** Where the cell is told in words. */
  wordsId: string;
}

/** From this width a cell has its own label. */
export const LABEL_FROM = 9;
/** A mark is at least this wide, however small the cell. */
const LEAST_MARK = 7;

export function CellMap(props: Props) {
  const { store, analysis, kind, layer, of, values, at, grid, gutter, logarithmic, marked, hovered } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const largest = useMemo(() => values && largestOf(values), [values]);
  const draw = (): void => {
    const element = canvas.current;
    if (!element || !values) return;
    putPixels(element, paint(values, grid, readInks(element), logarithmic), grid.blocks * grid.scale);
  };
  // the inks come with the theme; the pixels are there in the frame that shows the answer
  useLayoutEffect(draw, [values, grid, logarithmic, store.themed.value]);
  const hover = (cell: Cell | null): void => {
    hovered.value = cell;
    store.hover.value = cell && attentionEdgeName(layer, cell.query, cell.key, analysis.meta.model.parallel);
  };
  const under = (event: MouseEvent): Cell | null => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return cellAt(values, grid, event.clientX - box.left, event.clientY - box.top, at);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!props.onStep(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const labelled = grid.side / grid.blocks >= LABEL_FROM && grid.blocks === grid.nTokens;
  return (
    <figure class="cell-map" aria-busy={values === null}>
      <figcaption style={{ paddingLeft: px(gutter) }}>
        {kind}
        <span class="extent" title="The largest value of this map, which has the strongest ink">
          ≤ {largest === null ? '…' : share(largest)}
        </span>
      </figcaption>
      <div class="cell-frame">
        {gutter > 0 && (
          <Labels
            analysis={analysis}
            axis="query"
            grid={grid}
            {...{ labelled, marked, hovered }}
            width={gutter}
            reach={0}
          />
        )}
        <div>
          <div
            class="cells"
            data-testid={`map-${kind}`}
            data-cell={grid.side / grid.blocks}
            data-head={props.drawn ?? undefined}
            data-query={marked.query}
            data-key={marked.key}
            style={{ width: px(grid.side), height: px(grid.side) }}
            role="application"
            tabIndex={0}
            aria-label={`Map of ${kind === 'attention' ? 'attention probabilities' : 'contributions'}, ${of}. Arrow keys move the marked cell.`}
            aria-describedby={props.wordsId}
            onPointerMove={(event) => hover(under(event))}
            onPointerLeave={() => hover(null)}
            onClick={(event) => {
              const cell = under(event);
              if (cell) props.onPick(cell);
            }}
            onKeyDown={onKeyDown}
          >
            <canvas ref={canvas} aria-hidden="true" style={{ width: px(grid.side), height: px(grid.side) }} />
            <Cross grid={grid} hovered={hovered} />
            <Mark grid={grid} cell={marked} />
          </div>
          <Labels
            analysis={analysis}
            axis="key"
            grid={grid}
            {...{ labelled, marked, hovered }}
            width={grid.side}
            reach={props.reach}
          />
        </div>
      </div>
    </figure>
  );
}

/** The row and the column under the pointer. */
function Cross({ grid, hovered }: { grid: Grid; hovered: Signal<Cell | null> }) {
  const cell = hovered.value;
  if (!cell) return null;
  const row = spanOf(grid, cell.query);
  const column = spanOf(grid, cell.key);
  const right = Math.min(grid.side, row.from + row.size);
  const below = grid.side - column.from;
  return (
    <>
      <div class="cross" style={{ left: 0, top: px(row.from), width: px(right), height: px(row.size) }} />
      <div
        class="cross"
        style={{ left: px(column.from), top: px(column.from), width: px(column.size), height: px(below) }}
      />
    </>
  );
}

function Mark({ grid, cell }: { grid: Grid; cell: Cell }) {
  const gap = grid.gap > 0 ? (grid.gap / grid.scale) * (grid.side / grid.blocks) : 0;
  const { from: top, size } = spanOf(grid, cell.query);
  const { from: left } = spanOf(grid, cell.key);
  const width = Math.max(LEAST_MARK, size - gap);
  const shift = (size - gap - width) / 2;
  return (
    <div class="mark" style={{ left: px(left + shift), top: px(top + shift), width: px(width), height: px(width) }} />
  );
}

interface LabelsProps {
  analysis: Analysis;
  axis: 'query' | 'key';
  grid: Grid;
  labelled: boolean;
  marked: Cell;
  hovered: Signal<Cell | null>;
  width: number;
  reach: number;
}

/** Every token if there is room; otherwise the marked one or the one under the pointer. */
function Labels({ analysis, axis, grid, labelled, marked, hovered, width, reach }: LabelsProps) {
  const over = hovered.value?.[axis] ?? null;
  const own = marked[axis];
  const shown = labelled ? Array.from({ length: grid.nTokens }, (_, t) => t) : [over ?? own];
  const class_ = `labels ${axis}${labelled ? ' every' : ''}${over === null ? '' : ' pointing'}`;
  return (
    <div
      class={class_}
      style={{ width: px(width), height: axis === 'key' && labelled ? px(reach + 6) : undefined }}
      aria-hidden="true"
    >
      {shown.map((t) => {
        const { from, size } = spanOf(grid, t);
        const middle = from + size / 2;
        const place =
          axis === 'query'
            ? { top: px(middle) }
            : labelled
              ? { left: px(middle) }
              : middle < width / 2
                ? { left: px(Math.max(0, middle - 6)) }
                : { right: px(Math.max(0, width - middle - 6)) };
        const state = t === own && !(over !== null && !labelled && over !== own) ? ' own' : t === over ? ' over' : '';
        return (
          <bdi key={t} class={`token${state}`} style={place}>
            {labelAt(analysis, t)}
          </bdi>
        );
      })}
    </div>
  );
}
