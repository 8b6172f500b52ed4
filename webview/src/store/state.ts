/** The view's state in one place, with everything that is computed from it. */
import { batch, computed, effect, signal } from '@preact/signals';
import type { Appearance, ReachParams } from '../../../extension/shared/protocol';
import type {
  About,
  Filling,
  PanelAction,
  SaveFormat,
  ToWebview,
  ViewName,
  ViewState,
} from '../../../extension/shared/webview';
import { createAsker } from './ask';
import { edgeNumbers, edgesInto, edgesOutOf, exists } from '../words/describe';
import { createCauses } from './causes';
import { createDrawn } from './drawn';
import type { HeadRef, Ink } from '../routes/headTotals';
import { createReach } from './filling';
import { createPicture } from './picture';
import { NO_HISTORY, step, visit } from './history';
import type { History } from './history';
import { createLenses } from './lenses';
import type { Host } from '../hosts/host';
import { edgeName, parseEdge, parseNode } from '../words/names';
import { createArrangement } from '../layout/arrangement';
import { decodeAnalysis, isComplete } from '../analysis/payload';
import type { Analysis } from '../analysis/payload';

export type Phase =
  | { kind: 'empty' }
  | { kind: 'restoring' }
  | { kind: 'loading'; message: string; fraction: number | null }
  | { kind: 'ready' }
  | ({ kind: 'failure' } & Trouble);

/** The message over a graph while the next one is coming, and its action. */
export type Updating = Omit<Extract<ToWebview, { type: 'updating' }>, 'type' | 'message'> & { message: string };

/** Why there is no graph, or none after the one that is shown. */
export type Trouble = Omit<Extract<ToWebview, { type: 'failure' }>, 'type'>;

/** A token of the vocabulary. */
export interface Rival {
  id: number;
  text: string;
}

export const HIGHEST_THRESHOLD = 0.9;
/** Lists follow the slider when it rests: drawing has the frame to itself. */
const SETTLE_MS = 90;
const REMEMBER_MS = 200;
/** Edges of one node that are marked with it. */
const MOST_MARKED = 60;

/** The parts of an analysis' message beside the analysis and its view. */
type Shown = Pick<Extract<ToWebview, { type: 'analysis' }>, 'about' | 'effects' | 'measured'>;

export type Store = ReturnType<typeof createStore>;

export function createStore(host: Host) {
  const phase = signal<Phase>({ kind: host.restores ? 'restoring' : 'empty' });
  const analysis = signal<Analysis | null>(null);
  const title = signal('');
  const offline = signal<string | null>(null);
  /** How far the rest of the analysis is, while not every row is there. */
  const filling = signal<Filling | null>(null);

  const target = signal(0);
  const threshold = signal<number | 'auto'>('auto');
  const renormalize = signal(true);
  const ink = signal<Ink>('flow');
  const history = signal<History>(NO_HISTORY);
  const selection = signal<string | null>(null);
  const hover = signal<string | null>(null);
  /** The node with the keyboard's caret; shown while the graph has the focus. */
  const caret = signal<string | null>(null);
  const editorPosition = signal<number | null>(null);
  const lensNormalized = signal(true);
  /** Counts changes of the theme, for code that draws with its colours. */
  const themed = signal(0);
  const view = signal<ViewName>('routes');
  /** Whether the flow is shown as heat on the prompt's text in the editor. */
  const heat = signal(false);
  /** Only edges that this head has a kept part in are drawn. */
  const headFilter = signal<HeadRef | null>(null);
  /** A selection that stays beside the current one, to compare the two. */
  const pinned = signal<string | null>(null);
  /** A token of the vocabulary that is followed through the layers, beside the target's prediction. */
  const rival = signal<Rival | null>(null);
  /** The tokens that the prompt's file names, as texts; and its target, once known. */
  const about = signal<About | null>(null);
  const wanted = signal<Rival | null>(null);
  /** The message while the next graph is coming, or why it is not. */
  const updating = signal<Updating | null>(null);
  const trouble = signal<Trouble | null>(null);
  /** Counts newly opened analyses, not those of an edited prompt. */
  const afresh = signal(0);
  /** The editor's command to save the view; the exporter clears it. */
  const exportAsked = signal<{ format: SaveFormat | 'figure'; appearance: Appearance } | null>(null);
  /** The editor's command to ask “Why not …?”; the panel clears it. */
  const whyNotAsked = signal(false);
  const arrangement = createArrangement();
  const fitted = signal(0);
  const asker = createAsker(host, () => analysis.value?.meta.runId ?? null, { fitted: () => fitted.value });
  const lenses = createLenses({ asker, normalized: lensNormalized, view, offline, fitted, recording: host.recording });

  const drawn = createDrawn({ analysis, target, threshold, renormalize, headFilter });
  const { open, lowest, routes } = drawn;
  const settledRoutes = signal(routes.peek());
  const causes = createCauses(host, { analysis, target, about, filling, offline, ink, settledRoutes });
  const picture = createPicture({
    ...{ ...drawn, analysis, target, threshold, selection, editorPosition, ink, causes, settledRoutes },
  });
  const selectionEdges = computed(() => keptEdgesOf(selection.value));
  const hoverEdges = computed(() => keptEdgesOf(hover.value));

  /** The kept edges that lead into a node and out of it. */
  function keptEdgesOf(name: string | null): string[] {
    const node = name ? parseNode(name) : null;
    if (!node || !analysis.value || !routes.value) return [];
    const [current, graph] = [analysis.value, routes.value];
    const into = edgesInto(current, node).filter((edge) => edgeNumbers(current, graph, edge).weight > 0);
    return [...into, ...edgesOutOf(current, graph, node)].slice(0, MOST_MARKED).map(edgeName);
  }

  function setTarget(position: number): void {
    const nTokens = analysis.value?.meta.tokens.length ?? 0;
    if (position >= 0 && position < nTokens) target.value = position;
  }

  function setThreshold(value: number | 'auto'): void {
    if (value === 'auto') threshold.value = value;
    else if (Number.isFinite(value)) threshold.value = Math.min(HIGHEST_THRESHOLD, Math.max(lowest.value, value));
  }

  function select(name: string | null): void {
    batch(() => {
      selection.value = name;
      if (name === null) return;
      history.value = visit(history.value, name);
      const node = parseNode(name);
      if (node) caret.value = name;
    });
  }

  function travel(by: 1 | -1): void {
    const next = step(history.value, by);
    if (!next) return;
    batch(() => {
      history.value = next;
      selection.value = next.entries[next.at] ?? null;
    });
  }

  /** Adds rows to the shown analysis without changing the view. */
  function fillIn(more: Analysis): void {
    const current = analysis.value;
    if (!current || isComplete(current)) return;
    batch(() => {
      analysis.value = { ...more, meta: { ...more.meta, runId: current.meta.runId } };
      phase.value = { kind: 'ready' };
      if (isComplete(more)) filling.value = null;
      // its edges have new numbers
      settledRoutes.value = routes.value;
    });
  }

  const reach = createReach(host, wishedRows, {
    more: fillIn,
    failed: (message) => (filling.value = { going: false, message, fraction: null }),
  });

  /** The rows to compute for the requested graph; null if all are there. */
  function wishedRows(): ReachParams | null {
    const meta = analysis.value?.meta;
    if (!meta || !open.value || offline.value !== null) return null;
    return {
      runId: meta.runId,
      target: target.value,
      threshold: threshold.value === 'auto' ? 0 : threshold.value,
      renormalize: renormalize.value,
      topK: Math.max(1, ...meta.predicted.map((texts) => texts.length)),
    };
  }

  /** The current view for the analysis of the edited prompt: a target at the end stays at the end. */
  function viewAfterEditing(next: Analysis): ViewState | null {
    const [view, before] = [viewState(), analysis.peek()];
    if (!view || !before) return null;
    return view.target === before.meta.target ? { ...view, target: next.meta.target } : view;
  }

  function show(
    next: Analysis,
    kept: Partial<ViewState> | null,
    { about: asked, effects = null, measured }: Shown,
    edited = false,
  ): void {
    const last = next.meta.tokens.length - 1;
    const targetBefore = target.peek();
    batch(() => {
      updating.value = null;
      trouble.value = null;
      if (!edited) afresh.value = afresh.peek() + 1;
      analysis.value = next;
      filling.value = null;
      phase.value = { kind: 'ready' };
      target.value = isPosition(kept?.target, last) ? kept.target : next.meta.target;
      threshold.value = 'auto';
      if (typeof kept?.threshold === 'number') setThreshold(kept.threshold);
      renormalize.value = kept?.renormalize ?? true;
      ink.value = kept?.ink ?? 'flow';
      view.value = kept?.view ?? 'routes';
      lenses.chosen.value = kept?.lens ?? 'logit';
      heat.value = kept?.heat ?? false;
      picture.restoreColumns(kept);
      if (kept?.layout) arrangement.restore(kept.layout);
      hover.value = null;
      const asksAnew = JSON.stringify(asked ?? null) !== JSON.stringify(about.peek());
      if (!edited || asksAnew) {
        about.value = asked ?? null;
        wanted.value = null;
        rival.value = null;
      }
      if (!edited) {
        headFilter.value = null;
        pinned.value = null;
        history.value = NO_HISTORY;
        caret.value = null;
        editorPosition.value = null;
      }
      if (pinned.value !== null && !exists(next, pinned.value)) pinned.value = null;
      if (caret.value !== null && !exists(next, caret.value)) caret.value = null;
      const selected = kept?.selection;
      select(typeof selected === 'string' && exists(next, selected) ? selected : null);
      settledRoutes.value = routes.value;
      if (measured !== undefined) causes.budget.value = measured;
      const chosen = kept?.metric ? { position: target.value, ...kept.metric } : null;
      causes.begin(targetBefore, chosen, effects, edited);
    });
  }

  function tellTrouble({ message, remedy, actions, lens }: Trouble): void {
    updating.value = null;
    if (lens === undefined && phase.value.kind === 'ready') trouble.value = { message, remedy, actions };
    else phase.value = { kind: 'failure', message, remedy, actions, ...(lens !== undefined && { lens }) };
  }

  function receive(message: ToWebview): void {
    switch (message.type) {
      case 'analysis':
        title.value = message.title;
        try {
          const next = decodeAnalysis(message.payload);
          const shown = analysis.value;
          if (phase.value.kind === 'ready' && shown?.meta.runId === message.runId && !isComplete(shown)) {
            fillIn(next);
            return;
          }
          const view = message.edited === true && phase.value.kind === 'ready' ? viewAfterEditing(next) : null;
          show(next, view ? { ...view, ...message.view } : message.view, message, view !== null);
        } catch (error) {
          phase.value = failureOf(error);
        }
        return;
      case 'progress':
        phase.value = { kind: 'loading', message: message.message, fraction: message.fraction };
        return;
      case 'failure':
        tellTrouble(message);
        return;
      case 'offline':
        offline.value = message.offline ? message.message : null;
        return;
      case 'measured':
        causes.budget.value = message.measured;
        return;
      case 'filling':
        filling.value = message.filling;
        return;
      case 'cursor':
        editorPosition.value = message.position;
        return;
      case 'answer':
        return; // the host has given it to whoever asked
      case 'asking':
        return;
      case 'export':
        exportAsked.value = { format: message.format, appearance: message.appearance };
        return;
      case 'updating':
        updating.value = message.message === null ? null : { ...message, message: message.message };
        trouble.value = null;
        return;
      case 'fitting':
        lenses.tell(message.fitting);
        return;
      case 'whyNot':
        whyNotAsked.value = true;
        return;
      case 'showHeat':
        heat.value = message.shown;
        return;
    }
  }

  const act = (action: PanelAction): void => host.tell({ type: 'action', action });

  /** Starts the effects that watch the state: settled lists, the lens, the host's memory. Returns a function that stops them. */
  function live(): () => void {
    host.answer(receive);
    const stops = [
      effect(() => {
        const current = routes.value;
        const timer = setTimeout(() => (settledRoutes.value = current), SETTLE_MS);
        return () => clearTimeout(timer);
      }),
      effect(reach),
      causes.live(),
      lenses.live(),
      effect(() => {
        host.tell({ type: 'heat', masses: heat.value ? picture.heatMasses.value : null });
      }),
      effect(() => {
        if (!analysis.value) return;
        const selected = selection.value;
        host.tell({ type: 'selected', position: selected ? positionOf(selected) : null });
      }),
      effect(() => {
        const current = viewState();
        if (!current) return;
        const timer = setTimeout(() => host.remember(current), REMEMBER_MS);
        return () => clearTimeout(timer);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  function viewState(): ViewState | null {
    if (!analysis.value) return null;
    return {
      runId: analysis.value.meta.runId,
      target: target.value,
      threshold: threshold.value,
      renormalize: renormalize.value,
      ink: ink.value,
      selection: selection.value,
      view: view.value,
      lens: lenses.chosen.value,
      heat: heat.value,
      ...picture.columnsState(),
      metric: causes.chosen.value,
      layout: arrangement.kept.value,
    };
  }

  return {
    ...drawn, ...picture, phase, analysis, title, offline, filling, target, threshold, renormalize, ink, history, selection, hover, caret,
    editorPosition, lensNormalized, lenses, themed, view, heat, headFilter, pinned, rival, about, wanted, exportAsked, whyNotAsked, updating, trouble, afresh, arrangement, asker, causes, settledRoutes, selectionEdges, hoverEdges,
    setTarget, setThreshold, select, travel, receive, act, live, tell: host.tell,
    recording: host.recording, inEditor: host.inEditor,
  }; // prettier-ignore
}

/** The token of a selection: for an edge, its source. */
function positionOf(name: string): number | null {
  return parseNode(name)?.position ?? parseEdge(name)?.source.position ?? null;
}

function isPosition(value: unknown, last: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= last;
}

function failureOf(error: unknown): Phase {
  const message = error instanceof Error ? error.message : String(error);
  const actions: { action: PanelAction; label: string }[] = [
    { action: 'retry', label: 'Analyze Again' },
    { action: 'showLog', label: 'Show Log' },
  ];
  return {
    kind: 'failure',
    message,
    remedy: 'Analyze the prompt again. If the problem stays, restart the backend.',
    actions,
  };
}
