/** Messages between the panel's host (the extension) and the webview. Both bundles import this file. */
import type { Appearance, EffectsResult, ExportFormat, Inspections, PlainLensResult, RecordParams } from './protocol';

/** What the webview may ask the backend, through its host: any question about the run that is shown. */
export type Method = keyof Inspections;
export type Params<M extends Method> = Inspections[M]['params'];
export type Answer<M extends Method = Method> = Inspections[M]['result'];
export interface Question<M extends Method = Method> {
  method: M;
  params: Params<M>;
}

/** What the graph's place shows. */
export type ViewName = 'routes' | 'lens' | 'heads';

/** The most that one list in a question has. */
export const MOST_ITEMS = 256;

/** How the tokens of a long prompt are joined to columns; auto: stretches that carry nothing fold, where not all have room. */
export const GROUPINGS = ['auto', 'token', 'word', 'sentence', 'line', 'span8', 'span32', 'span128'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** How a panel is divided between graph and inspector. */
export interface PanelLayout {
  /** Where the inspector stands; auto: beside the graph where the panel is wide enough, else below. */
  place: 'auto' | 'beside' | 'below';
  /** The graph's share of the panel; null: the usual one. */
  share: number | null;
  maximized: 'graph' | 'inspector' | null;
}

/** The part of the view that survives a reload: small, plain JSON. */
export interface ViewState {
  runId: string;
  target: number;
  threshold: number | 'auto';
  renormalize: boolean;
  ink: 'flow' | 'local' | 'effect';
  selection: string | null;
  view: ViewName;
  /** The lens that states are read by, as the backend calls it. */
  lens: string;
  /** Whether the flow is shown as heat on the prompt's text. */
  heat: boolean;
  grouping: Grouping;
  /** First positions of the groups that are open; of what was unfolded, first position and the one after the last by turns. */
  opened: number[];
  /** The tokens that were chosen for effects at `target`, by their texts or as `#ID`; null: those of the prompt's file. */
  metric: { target: string | null; contrast: string | null } | null;
  layout: PanelLayout;
}

/** The question for the answers that a page of this view carries. */
export function recordingOf(
  runId: string,
  view: Partial<ViewState> | null,
  effects: EffectsResult | null,
): RecordParams {
  const { target = null, threshold, renormalize = true, selection = null, metric = null } = view ?? {};
  return {
    ...{ runId, target, renormalize, selection },
    threshold: typeof threshold === 'number' ? threshold : null,
    effects: effects?.position === target ? effects : null,
    named: [metric?.target, metric?.contrast].filter((name) => typeof name === 'string'),
  };
}

/** A button in an empty, error or offline state; the extension knows what it does. */
export type PanelAction =
  | 'analyze'
  | 'retry'
  | 'cancel'
  | 'showLog'
  | 'setUpBackend'
  | 'selectModel'
  | 'selectDevice'
  | 'selectDtype'
  | 'unloadModel'
  | 'choosePrompt'
  | 'restartBackend'
  | 'connectRemote'
  | 'setUpRemote'
  | 'useLocalBackend'
  | 'dismiss'
  | 'openSettings'
  | 'manageTrust'
  | 'saveRun'
  | 'fitLens'
  | 'stopFit'
  | 'copyPromptLink';

/** Files that the view can be saved as. */
export type SaveFormat = ExportFormat | 'png' | 'html';

/** What the Share menu and the Share command offer, in the same words: what the editor does, then files. */
export const SHARED: readonly ShareItem[] = [
  { id: 'run', action: 'saveRun', label: 'Save beside the prompt', hint: 'a file to compare and run again' },
  { id: 'link', action: 'copyPromptLink', label: 'Copy link', hint: 'opens this prompt in VS Code' },
  { id: 'html', format: 'html', label: 'HTML page', hint: 'opens without VS Code' },
  {
    ...{ id: 'attribution', format: 'attribution', label: 'Attribution graph' },
    hint: 'JSON for Neuronpedia and circuit-tracer',
  },
];

export type ShareItem = { id: string; label: string; hint: string } & (
  { action: PanelAction; format?: undefined } | { format: SaveFormat; action?: undefined }
);

/** Why `target` rather than `contrast`: texts of tokens; null where nothing is said. */
export interface About {
  target: string | null;
  contrast: string | null;
}

/** A page of the documentation, with the heading to show: "inspectors#heads". */
export type DocAddress = string;

/** A lens of the shown model that is being fitted: how far it is, and the sequences it has in this fit so far. */
export interface Fitting {
  message: string;
  fraction: number | null;
  sequences: number;
}

/** The rest of an analysis whose first graph is shown: being computed, or not any more and why (empty: called off). */
export interface Filling {
  going: boolean;
  message: string;
  fraction: number | null;
}

export type ToWebview =
  | {
      type: 'analysis';
      runId: string;
      title: string;
      payload: ArrayBuffer;
      view: Partial<ViewState> | null;
      /** Of the prompt that is shown, after some typing: what is looked at stays, but for what `view` says. */
      edited?: boolean;
      /** The tokens that the prompt's file asks about, by their texts. */
      about?: About;
      /** What was found before of this run's effects. */
      effects?: EffectsResult | null;
      /** Drawn edges whose effects are measured behind the drawing; 0: none, and effects are predicted when asked for. */
      measured?: number;
    }
  | { type: 'progress'; message: string; fraction: number | null }
  /** In place of a graph, or over the one that is shown. */
  | {
      type: 'failure';
      message: string;
      remedy: string;
      actions: { action: PanelAction; label: string }[];
      /** The lens of a model that cannot be decomposed, in place of any graph; a sentence while it is being read. */
      lens?: PlainLensResult | string;
    }
  /** null: the analysis is all there. */
  | { type: 'filling'; filling: Filling | null }
  /** A question that takes a while is still being worked on. */
  | { type: 'asking'; id: number; message: string; fraction: number | null }
  | { type: 'answer'; id: number; answer: Answer | null; error: string | null }
  | { type: 'offline'; offline: boolean; message: string }
  /** The cursor in the prompt stands on this token (null: outside of the prompt). */
  | { type: 'cursor'; position: number | null }
  /** As `measured` of an analysis, which has changed. */
  | { type: 'measured'; measured: number }
  /** A command of the editor: save what is shown, or open the preview of the figure. */
  | { type: 'export'; format: SaveFormat | 'figure'; appearance: Appearance }
  /** A command of the editor: open the box for another token to compare the prediction with. */
  | { type: 'whyNot' }
  /** null: none is being fitted. */
  | { type: 'fitting'; fitting: Fitting | null }
  /** Whether the flow is to be shown on the prompt's text. */
  | { type: 'showHeat'; shown: boolean }
  /**
   * The graph before stays until the next one is there. Null: it is not coming. `fraction`, where the person asked for
   * the next one: how far it is.
   */
  | {
      type: 'updating';
      message: string | null;
      action?: { action: PanelAction; label: string };
      fraction?: number | null;
    };

/** What the webview tells without waiting for an answer. */
export type Notice =
  | { type: 'action'; action: PanelAction }
  /** The selected token, to be marked in the editor's text. */
  | { type: 'selected'; position: number | null }
  /** The flow that arrives at each token, to be shown on the prompt's text; null shows none. */
  | { type: 'heat'; masses: number[] | null }
  /** What is known so far of a run's effects, to be kept with it. */
  | { type: 'effects'; runId: string; effects: EffectsResult }
  | { type: 'copy'; text: string }
  /** A finished file: the person chooses where it goes. Text, or base64 of bytes. */
  | { type: 'save'; name: string; content: string; encoding: 'utf8' | 'base64' }
  /** The self-contained page: the host has the analysis and the bundle it is made of. */
  | { type: 'savePage' }
  | { type: 'openDocs'; address: DocAddress };

export type FromWebview =
  | { type: 'ready' }
  | { type: 'ask'; id: number; question: Question }
  /** Nobody waits for this answer any more. */
  | { type: 'giveUp'; id: number }
  | { type: 'remember'; view: ViewState }
  | Notice;
