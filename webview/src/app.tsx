/** The panel: a toolbar, the graph or another view, and the inspector. */
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { untracked, useSignal, useSignalEffect } from '@preact/signals';
import { FigurePreview } from './controls/figurePreview';
import { Finder } from './controls/finder';
import { ProofWarning } from './controls/proof';
import { Toolbar } from './controls/toolbar';
import { panelId, tabId } from './controls/tabs';
import { VIEW } from './controls/viewSwitch';
import { createExporter } from './store/exporter';
import { FoldLine } from './graph/foldLine';
import { Legend } from './graph/legend';
import { readPalette } from './graph/palette';
import { RoutesGraph } from './graph/routesGraph';
import { createGraphView } from './graph/view';
import type { GraphView } from './graph/view';
import { unitOf } from './effects/units';
import type { Host } from './hosts/host';
import { followAbout } from './inspectors/contrast';
import { shownIn } from './inspectors/shown';
import { Inspector } from './inspectors/inspector';
import { maximizeKey } from './layout/arrangement';
import type { Arrangement } from './layout/arrangement';
import { keepKeyboard, takeKeyboard } from './layout/keyboard';
import { Splitter } from './layout/splitter';
import { useSize } from './layout/size';
import {
  Empty,
  Failure,
  Loading,
  Notices,
  OfflineBanner,
  Restoring,
  TroubleBanner,
  Updating,
} from './views/panelStates';
import type { Store } from './store/state';
import { AnswerHeard, AnswerLine } from './answer/line';
import { Twin } from './views/twin';
import { HeadsView } from './views/headsView';
import { createLensState } from './views/lensState';
import type { LensState } from './views/lensState';
import { LensView } from './views/lensView';

export function Panel({ store, host }: { store: Store; host: Host }) {
  const { arrangement } = store;
  const lens = useMemo(() => createLensState(store), [store]);
  const phase = store.phase.value;
  const root = useRef<HTMLElement>(null);
  useSize(root, arrangement);
  // with the picture, not after it: a key may come right away
  useLayoutEffect(() => (host.inEditor && root.current ? takeKeyboard(root.current) : undefined), [host]);
  useLayoutEffect(() => {
    if (host.inEditor && root.current) keepKeyboard(root.current);
  }, [host, phase.kind]);
  return (
    <main
      ref={root}
      class="panel"
      data-testid="panel"
      data-state={phase.kind}
      data-run={store.analysis.value?.meta.runId}
    >
      <h1 class="sr-only">{['Routes', store.title.value].filter(Boolean).join(': ')}</h1>
      <OfflineBanner store={store} />
      {phase.kind === 'empty' && <Empty store={store} />}
      {phase.kind === 'restoring' && <Restoring />}
      {phase.kind === 'loading' && <Loading store={store} phase={phase} />}
      {phase.kind === 'failure' && <Failure store={store} phase={phase} />}
      {phase.kind === 'ready' && <Ready store={store} host={host} arrangement={arrangement} lens={lens} />}
    </main>
  );
}

interface Props {
  store: Store;
  host: Host;
  arrangement: Arrangement;
  lens: LensState;
}

function Ready({ store, host, arrangement, lens }: Props) {
  const main = useRef<HTMLDivElement>(null);
  const view = useMemo(() => createGraphView(store), [store]);
  const exporter = useMemo(() => createExporter(store, host), [store, host]);
  const finding = useSignal(false);
  const analysis = store.analysis.value;
  const openFinder = (): void => void (finding.value = true);
  useLayoutEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => panelKey(event, store, view, arrangement, openFinder);
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [store, view, arrangement]);
  const afresh = store.afresh.value;
  useEffect(() => view.reset(), [view, afresh]);
  useEffect(() => view.keep(), [view, analysis]);
  useEffect(() => view.follow(), [view]);
  followAbout(store);
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
  // The cursor's first position means nothing: only its moves scroll the graph.
  const cursor = useRef<{ of: unknown; position: number | null }>({ of: null, position: null });
  useSignalEffect(() => {
    const [of, position] = [store.analysis.value?.meta.runId, store.editorPosition.value];
    const before = cursor.current;
    cursor.current = { of, position };
    const moved = before.of === of && before.position !== null && before.position !== position;
    if (moved && position !== null) untracked(() => view.revealColumn(position));
  });
  useSignalEffect(() => {
    const asked = store.exportAsked.value;
    if (asked === null) return;
    store.exportAsked.value = null;
    untracked(() =>
      asked.format === 'figure' ? exporter.figure.show() : void exporter.run(asked.format, asked.appearance),
    );
  });
  useSignalEffect(() => {
    if (!store.whyNotAsked.value) return;
    store.whyNotAsked.value = false;
    untracked(() => {
      if (arrangement.maximized.value === 'graph') arrangement.maximized.value = null;
      askWhyNot(store);
    });
  });
  if (!analysis) return null;
  const focusGraph = (): void => main.current?.querySelector<HTMLElement>('.stage')?.focus();
  const shown = store.view.value;
  const updating = store.updating.value;
  return (
    <>
      <AnswerHeard store={store} />
      <Toolbar store={store} host={host} exporter={exporter} arrangement={arrangement} />
      <TroubleBanner store={store} />
      <ProofWarning store={store} proof={analysis.meta.proof} />
      <Notices store={store} />
      <AnswerLine store={store} />
      <div {...divided(arrangement)}>
        <div ref={main} class={updating === null ? 'graph' : 'graph updating'}>
          <Updating store={store} />
          <div class="view" id={panelId(VIEW)} role="tabpanel" aria-labelledby={tabId(VIEW, shown)}>
            {shown === 'routes' && <FoldLine store={store} view={view} />}
            {shown === 'routes' && <RoutesGraph store={store} view={view} openFinder={openFinder} />}
            {shown === 'routes' && <Legend store={store} />}
            {shown === 'lens' && <LensView store={store} view={view} lens={lens} openFinder={openFinder} />}
            {shown === 'heads' && <HeadsView store={store} view={view} />}
          </div>
          <Finder store={store} view={view} open={finding} onClose={focusGraph} />
        </div>
        <Splitter arrangement={arrangement} />
        <section class="side" aria-label="Inspector">
          <Inspector store={store} />
          <Twin store={store} />
        </section>
      </div>
      {exporter.figure.open.value && <FigurePreview exporter={exporter} host={host} />}
    </>
  );
}

function divided(arrangement: Arrangement): { class: string; style: Record<string, string> } {
  const { share, maximized, isStacked } = arrangement;
  const names = isStacked.value ? ['body', 'stacked'] : ['body'];
  if (maximized.value) names.push(`only-${maximized.value}`);
  else if (share.value !== null) names.push('divided');
  return { class: names.join(' '), style: share.value === null ? {} : { '--lmt-share': `${share.value * 100}%` } };
}

/** The box that takes a contrast is with the target. */
function askWhyNot(store: Store): void {
  store.select(null);
  shownIn(store).whyNot.value = true;
}

/** Knocks out what is selected, or shows the model as it is again. */
function turnKnockOut(store: Store): void {
  const unit = unitOf(store.selection.value ?? '');
  const { knockedOut, turned } = shownIn(store);
  if (document.activeElement?.closest('[data-testid^=knock-out]')) turned.value = unit;
  knockedOut.value = knockedOut.value === unit ? null : unit;
}

/** Keys that mean the same everywhere but in a text field. */
function panelKey(
  event: KeyboardEvent,
  store: Store,
  view: GraphView,
  arrangement: Arrangement,
  openFinder: () => void,
): void {
  const { target } = event;
  const typing = (target instanceof HTMLInputElement && target.type === 'text') || target instanceof HTMLSelectElement;
  if (typing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === '[') store.travel(-1);
  else if (event.key === ']') store.travel(1);
  else if (event.key === '/' && store.view.value !== 'heads') openFinder();
  else if (event.key === 'v') askWhyNot(store);
  else if (event.key === 'k' && !store.recording) turnKnockOut(store);
  else if (event.key === 'u' && store.view.value === 'routes') view.changeColumns(store.unfoldAll);
  else if (!maximizeKey(event, arrangement)) return;
  event.preventDefault();
}
