import type { App } from '../app';

/** Cancel Analysis: of the panel in front, else all that run. */
export function cancelAnalysis(app: App): () => void {
  return () => app.analyses.cancel(app.panels.active());
}
