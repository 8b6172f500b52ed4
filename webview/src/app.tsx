/** The panel: one line of controls, the graph, and beside it what is selected. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { untracked, useSignal, useSignalEffect } from '@preact/signals';
import { Finder } from './controls/finder';
import { ProofWarning } from './controls/proof';
import { Toolbar } from './controls/toolbar';
import { Legend } from './graph/legend';
import { readPalette } from './graph/palette';
import { Stage } from './graph/stage';
import { createGraphView } from './graph/view';
import type { Host } from './host';
import { Inspector } from './inspectors/inspector';
import { Empty, Failure, Loading, Notices, OfflineBanner } from './states';
import type { Store } from './state';
import { Twin } from './twin';

export function Panel({ store, host }: { store: Store; host: Host }) {
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => historyKey(event, store);
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [store]);
  const phase = store.phase.value;
  return (
    <div ref={panel} class="panel" data-testid="panel" data-state={phase.kind}>
      <OfflineBanner store={store} />
      {phase.kind === 'empty' && <Empty store={store} />}
      {phase.kind === 'loading' && <Loading store={store} phase={phase} />}
      {phase.kind === 'failure' && <Failure store={store} phase={phase} />}
      {phase.kind === 'ready' && <Ready store={store} host={host} />}
    </div>
  );
}

function Ready({ store, host }: { store: Store; host: Host }) {
  const main = useRef<HTMLElement>(null);
  const view = useMemo(() => createGraphView(store), [store]);
  const finding = useSignal(false);
  const analysis = store.analysis.value;
  useEffect(() => view.reset(), [view, analysis]);
  useEffect(
    () =>
      host.theme(() => {
        if (main.current) view.palette.value = readPalette(main.current);
        store.themed.value = store.themed.peek() + 1;
      }),
    [host, store, view],
  );
  // Untracked: panning away afterwards must stay possible.
  useSignalEffect(() => {
    const name = store.selection.value;
    if (name !== null) untracked(() => view.reveal(name));
  });
  useSignalEffect(() => {
    const position = store.editorPosition.value;
    if (position !== null) untracked(() => view.revealColumn(position));
  });
  if (!analysis) return null;
  const openFinder = (): void => void (finding.value = true);
  const focusGraph = (): void => main.current?.querySelector<HTMLElement>('.stage')?.focus();
  return (
    <>
      <Toolbar store={store} />
      <ProofWarning proof={analysis.meta.proof} />
      <Notices store={store} />
      <div class="body">
        <main ref={main} class="graph">
          <Stage store={store} view={view} openFinder={openFinder} />
          <Legend store={store} />
          <Finder store={store} view={view} open={finding} onClose={focusGraph} />
        </main>
        <aside class="side" aria-label="Inspector">
          <Inspector store={store} />
          <Twin store={store} />
        </aside>
      </div>
    </>
  );
}

/** `[` and `]` go back and forward from anywhere but a text field. */
function historyKey(event: KeyboardEvent, store: Store): void {
  const typing = event.target instanceof HTMLInputElement && event.target.type === 'text';
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '[') store.travel(-1);
  else if (event.key === ']') store.travel(1);
}
