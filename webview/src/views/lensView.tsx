/** The lens view: what states read as at every token after every layer, by one lens or by two side by side. */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { GraphView } from '../graph/view';
import type { Store } from '../store/state';
import { outputText } from '../words/answer';
import { lensWords } from '../words/lenses';
import { cellsOf } from './lensCells';
import { LensCharts } from './lensCharts';
import { LensControls } from './lensControls';
import { LensGrid, useLensGrid } from './lensGrid';
import type { ReadGrid } from './lensGrid';
import { CellReadout } from './lensReadout';
import type { LensState } from './lensState';
import { Strongest, strongestCells } from './lensStrongest';
import { Waiting } from '../controls/waiting';

interface Props {
  store: Store;
  view: GraphView;
  lens: LensState;
  openFinder: () => void;
}

export function LensView(props: Props) {
  const { store, view, lens } = props;
  const { name, known } = store.lenses;
  const read = useLensGrid(store, lens, name.value);
  const { reply, cells, problem, told } = read;
  const other = lens.beside.value ? known.value?.names.find((each) => each !== name.value) : undefined;
  const [followed, looked] = [lens.followed.value, lens.looked.value];
  const model = store.analysis.value?.meta.model;
  const best = useMemo(() => (looked && cells ? strongestCells(cells, looked.id) : []), [cells, looked]);
  const strongest = useMemo(() => best.map((cell) => cell.name), [best]);
  // a word that is looked for is read where it is looked at
  const at = looked && positionOf(store.selection.value ?? strongest[0] ?? '');
  return (
    <>
      {other === undefined ? (
        <LensGrid {...props} read={read} strongest={strongest} />
      ) : (
        <div class="lens-pair">
          <Titled title={lensWords(name.value).label}>
            <LensGrid {...props} read={read} strongest={strongest} />
          </Titled>
          <Beside {...props} name={other} />
        </div>
      )}
      <Waiting reply={reply} what="The lens grid" quiet={cells?.firstRow === 0} problem={problem} />
      <LensControls store={store} lens={lens} cells={cells} contrast={view.palette.value?.contrast ?? false} />
      {store.recording && cells && !cells.followed && followed && (
        <p class="waiting-line" role="status">
          This page has the grid without <bdi class="token">{outputText(model, followed.text)}</bdi>: its colours are
          those of the most probable tokens.
        </p>
      )}
      {looked && told?.id === looked.id && <Strongest store={store} looked={looked} cells={best} />}
      <CellReadout store={store} cells={cells} followed={told} />
      {reply?.state !== 'failed' && <LensCharts store={store} lens={lens} position={at ?? store.target.value} />}
    </>
  );
}

/** The grid of the other lens; both are moved together, since they are equally large. */
function Beside({ name, ...props }: Props & { name: string }) {
  const read: ReadGrid = useLensGrid(props.store, props.lens, name);
  const { reply, cells, problem } = read;
  return (
    <Titled title={lensWords(name).label}>
      <LensGrid {...props} read={read} strongest={NONE} testId="lens-grid-beside" />
      <Waiting reply={reply} what="The other grid" quiet={cells?.firstRow === 0} problem={problem} />
    </Titled>
  );
}

const positionOf = (name: string): number | null => cellsOf(name).at(-1)?.position ?? null;

const NONE: readonly string[] = [];

function Titled({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <figure class="titled-grid">
      <figcaption>{title}</figcaption>
      {children}
    </figure>
  );
}
