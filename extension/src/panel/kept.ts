import { shortModel } from '../../shared/modelName';
import type { ViewState } from '../../shared/webview';

/** `source`: the model that was named; null: the one that the prompt is for. */
export interface Comparison {
  source: string | null;
}

/** The title of a panel's tab; `model`: what computed its graph, once there is one. */
export function tabTitle(title: string, comparison: Comparison | null, model = ''): string {
  return [`${comparison ? 'Compared' : 'Routes'}: ${title}`, shortModel(model)].filter(Boolean).join(' · ');
}

/** What the next analysis in a panel takes over from the view of the one before. */
export function carriedOver({
  threshold,
  renormalize,
  ink,
  view,
  lens,
  heat,
  grouping,
  layout,
}: ViewState): Partial<ViewState> {
  return { threshold, renormalize, ink, view, lens, heat, grouping, layout };
}
