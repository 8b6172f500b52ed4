/** Messages between the panel's host (the extension) and the webview. Both bundles import this file. */
import type { NodeTokensResult } from './protocol';

/** What the webview may ask the backend, through its host. */
export type Question = { kind: 'nodeTokens'; runId: string; node: string; normalize: boolean };
export type Answer = { kind: 'nodeTokens'; result: NodeTokensResult };

/** The part of the view that survives a reload: small, plain JSON. */
export interface ViewState {
  runId: string;
  target: number;
  threshold: number | 'auto';
  renormalize: boolean;
  ink: 'flow' | 'local';
  selection: string | null;
}

/** A button in an empty, error or offline state; the extension knows what it does. */
export type PanelAction =
  | 'analyze'
  | 'retry'
  | 'cancel'
  | 'showLog'
  | 'setUpBackend'
  | 'selectModel'
  | 'restartBackend'
  | 'openSettings'
  | 'manageTrust';

export type ToWebview =
  | { type: 'analysis'; runId: string; title: string; payload: ArrayBuffer; view: Partial<ViewState> | null }
  | { type: 'progress'; message: string; fraction: number | null }
  | { type: 'failure'; message: string; remedy: string; actions: { action: PanelAction; label: string }[] }
  | { type: 'answer'; id: number; answer: Answer | null; error: string | null }
  | { type: 'offline'; offline: boolean; message: string }
  /** The cursor in the prompt stands on this token (null: outside of the prompt). */
  | { type: 'cursor'; position: number | null };

export type FromWebview =
  | { type: 'ready' }
  | { type: 'ask'; id: number; question: Question }
  | { type: 'remember'; view: ViewState }
  | { type: 'action'; action: PanelAction }
  /** The selected token, to be marked in the editor's text. */
  | { type: 'selected'; position: number | null };
