import type { EffectsResult } from '../../shared/protocol';
import type { ViewState } from '../../shared/webview';

/** What the self-contained page is made of. */
export interface PageContent {
  title: string;
  runId: string;
  payload: Uint8Array;
  view: Partial<ViewState> | null;
  effects: EffectsResult | null;
  /** `RecordResult.answers`; null: the page is a drawing alone. */
  answers: string | null;
}

/** The template of the page with one analysis in it; nothing of the analysis can be taken for markup. */
export function fillPage(template: string, { payload, answers, ...content }: PageContent): string {
  const brought = answers !== null && { answers };
  const page = JSON.stringify({ ...content, ...brought, payload: Buffer.from(payload).toString('base64') });
  const parts = {
    TITLE: escapeMarkup(content.title),
    PAGE: page.replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029'),
  };
  // in one pass: a title may read like a placeholder
  return template.replace(/__LM_TRANSPARENCY_(TITLE|PAGE)__/g, (_, part: keyof typeof parts) => parts[part]);
}

function escapeMarkup(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char);
}
