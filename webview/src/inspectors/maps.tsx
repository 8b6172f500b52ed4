/** The two maps of a head over the whole prompt: what it attends to, and what that contributes. */
import { useEffect, useId, useMemo, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { AttentionMapResult, NumericArray } from '../../../extension/shared/protocol';
import { attempt, numbersOf } from '../analysis/arrays';
import { useLatest } from '../store/ask';
import { labelAt } from '../words/describe';
import { attentionEdgeName, withDetail } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Store } from '../store/state';
import { share } from '../words/words';
import { cellOf, gridOf, stepCell } from './cells';
import type { Cell, Grid } from './cells';
import { CellMap } from './map';
import { NoAnswer, Section } from './parts';
import { shownIn } from './shown';
import { useWidth } from './width';

interface Props {
  store: Store;
  analysis: Analysis;
  layer: number;
  query: number;
  position: number;
  /** One head, or all of them together. */
  head: number | null;
}

const BETWEEN = 16;
const LARGEST_CELL = { beside: 14, enlarged: 24 };
const LARGEST_SIDE = 960;
/** Enlarged maps stay beside each other as long as their cells are this wide. */
const BESIDE_FROM = 16;
/** Row labels: so wide a letter, so wide at most. */
const LETTER = 5.6;
const WIDEST_LABEL = 56;
/** Steps with the keyboard are followed by the selection when they rest. */
const REST_MS = 180;

export function Maps({ store, analysis, layer, query, position, head }: Props) {
  const shown = shownIn(store);
  const [frame, width] = useWidth();
  const hovered = useSignal<Cell | null>(null);
  const wordsId = useId();
  const { nTokens, gutter } = useMemo(() => measured(analysis), [analysis]);
  const { reply, latest } = useLatest(store, 'lmTransparency/attentionMap', { layer, head });
  const read = latest && attempt(() => mapsOf(latest, nTokens));
  const stale = reply?.state !== 'known';

  const enlarged = shown.enlarged.value;
  const logarithmic = shown.logarithmic.value;
  const room = enlarged ? enlargedRoom(width, gutter, nTokens) : (width - gutter - BETWEEN) / 2;
  const ratio = window.devicePixelRatio || 1;
  const largest = enlarged ? LARGEST_CELL.enlarged : LARGEST_CELL.beside;
  const values = read?.value ?? null;
  const cells = values?.side ?? nTokens;
  const grid = useMemo(() => gridOf(nTokens, room, ratio, largest, cells), [nTokens, room, ratio, largest, cells]);

  const go = (cell: Cell): void => {
    const edge = attentionEdgeName(layer, cell.query, cell.key, analysis.meta.model.parallel);
    if (head === null) shown.allHeads.value = edge;
    store.select(withDetail(edge, head));
  };
  const [marked, step] = useSteps({ query, key: position }, nTokens, go);
  const title = `Layer ${layer} ${head === null ? 'all heads' : `head ${head}`}`;
  const shared = {
    ...{
      store,
      analysis,
      layer,
      of: title,
      drawn: latest && (latest.head ?? ('all' as const)),
      grid,
      reach: gutter,
      logarithmic,
      marked,
      hovered,
      wordsId,
    },
    onPick: go,
    onStep: step,
  };
  // an earlier run's answer may not fit this prompt; that is harmless
  const problem = reply?.state === 'failed' ? reply.message : stale ? null : (read?.problem ?? null);
  if (problem !== null) return <NoAnswer store={store} title={title} message={problem} />;
  return (
    <Section title={title} store={store} help="maps" aside={<Switches store={store} />}>
      <div ref={frame} class={`map-pair${enlarged ? ' enlarged' : ''}${stale && values ? ' stale' : ''}`}>
        <CellMap
          {...shared}
          kind="attention"
          values={values?.probability ?? null}
          at={values?.probabilityAt ?? null}
          gutter={gutter}
        />
        <CellMap
          {...shared}
          kind="contribution"
          values={values?.contribution ?? null}
          at={values?.contributionAt ?? null}
          gutter={enlarged ? gutter : 0}
        />
      </div>
      <p class="dim caption">
        rows: to (query) · columns: from (key) · marked: this edge
        {cells < nTokens && ` · ${Math.ceil(nTokens / cells)} tokens a cell, the largest of them shown`}
      </p>
      <Words id={wordsId} {...{ analysis, marked, hovered, values, grid }} />
    </Section>
  );
}

/** The width for one of two enlarged maps: half if that is enough, otherwise all. */
function enlargedRoom(width: number, gutter: number, nTokens: number): number {
  const half = (width - 2 * gutter - BETWEEN) / 2;
  return half >= nTokens * BESIDE_FROM ? half : Math.min(LARGEST_SIDE, width - gutter);
}

/** Both maps in `side` cells a side; of a prompt with more tokens, with where the largest of each cell is. */
export interface Values {
  side: number;
  probability: Float32Array;
  contribution: Float32Array;
  probabilityAt: Uint32Array | null;
  contributionAt: Uint32Array | null;
}

function mapsOf(result: AttentionMapResult, nTokens: number): Values {
  const side = Math.min(result.side, nTokens);
  const shape = [side, side];
  const at = (array: NumericArray | null) => array && numbersOf(array, 'uint32', shape);
  return {
    side,
    probability: numbersOf(result.probability, 'float32', shape),
    contribution: numbersOf(result.contribution, 'float32', shape),
    probabilityAt: at(result.probabilityAt),
    contributionAt: at(result.contributionAt),
  };
}

function measured(analysis: Analysis): { nTokens: number; gutter: number } {
  const nTokens = analysis.meta.tokens.length;
  let letters = 0;
  for (let t = 0; t < nTokens; t++) letters = Math.max(letters, labelAt(analysis, t).length);
  return { nTokens, gutter: Math.min(WIDEST_LABEL, Math.ceil(letters * LETTER) + 6) };
}

interface WordsProps {
  id: string;
  analysis: Analysis;
  marked: Cell;
  hovered: Signal<Cell | null>;
  values: Values | null;
  grid: Grid;
}

/** The cell under the pointer, or the marked one, in words. */
function Words({ id, analysis, marked, hovered, values, grid }: WordsProps) {
  return (
    <p id={id} class="map-words" data-testid="map-words" aria-live="polite">
      {cellWords(analysis, hovered.value ?? marked, values, grid)}
    </p>
  );
}

/** "from ·Mary to ·to, probability 0.41, contribution 0.096"; "≤" where only the largest of a cell is known. */
export function cellWords(analysis: Analysis, cell: Cell, values: Values | null, grid: Grid): string {
  const words = `from ${labelAt(analysis, cell.key)} to ${labelAt(analysis, cell.query)}`;
  if (!values) return words;
  const i = cellOf(grid, cell.query) * values.side + cellOf(grid, cell.key);
  const place = cell.query * grid.nTokens + cell.key;
  const known = (at: Uint32Array | null) => (at === null || at[i] === place ? '' : '≤ ');
  const probability = `${known(values.probabilityAt)}${share(values.probability[i] ?? 0)}`;
  return `${words}, probability ${probability}, contribution ${known(values.contributionAt)}${share(values.contribution[i] ?? 0)}`;
}

/** The marked cell moves at once; the selection follows when the keys rest, and comes into the history once. */
function useSteps(selected: Cell, nTokens: number, go: (cell: Cell) => void): [Cell, (key: string) => boolean] {
  const moved = useSignal<{ from: Cell; to: Cell } | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const latest = useRef({ selected, go });
  latest.current = { selected, go };
  useEffect(() => () => clearTimeout(timer.current), []);
  // steps from a cell that is no longer selected are over
  const now = (): Cell | null => {
    const steps = moved.value;
    return steps && sameCell(steps.from, latest.current.selected) ? steps.to : null;
  };
  const step = (key: string): boolean => {
    const from = latest.current.selected;
    const to = stepCell(now() ?? from, key, nTokens);
    if (!to) return false;
    moved.value = { from, to };
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      if (sameCell(from, latest.current.selected) && !sameCell(from, to)) latest.current.go(to);
    }, REST_MS);
    return true;
  };
  return [now() ?? selected, step];
}

const sameCell = (a: Cell, b: Cell): boolean => a.query === b.query && a.key === b.key;

function Switches({ store }: { store: Store }) {
  const { logarithmic, enlarged } = shownIn(store);
  return (
    <span class="switches">
      <button
        type="button"
        class={`quiet small${logarithmic.value ? ' on' : ''}`}
        data-testid="map-scale"
        aria-pressed={logarithmic.value}
        title="Ink by the logarithm of the value, over four powers of ten under the largest; otherwise by its square root"
        onClick={() => (logarithmic.value = !logarithmic.value)}
      >
        log scale
      </button>
      <button
        type="button"
        class={`quiet small${enlarged.value ? ' on' : ''}`}
        data-testid="map-enlarge"
        aria-pressed={enlarged.value}
        title="Larger cells, with the tokens at both sides; one map below the other where both have no room beside"
        onClick={() => (enlarged.value = !enlarged.value)}
      >
        Enlarge
      </button>
    </span>
  );
}
