/** The figure that the preview shows: what it is of, how it looks, and its SVG as the backend draws it. */
import { computed, effect, signal } from '@preact/signals';
import type { Appearance, ExportFormat, ExportParams, FigureView } from '../../../extension/shared/protocol';
import type { Host } from '../hosts/host';
import { detailOf, parseEdge, parseNode } from '../words/names';
import type { Store } from './state';

/** Millimetres of one and two columns of a journal. */
export const ONE_COLUMN = 85;
export const TWO_COLUMNS = 178;
export const WIDTHS = { least: 60, most: 1000 };

/** Options that move quickly are asked for when they rest. */
const REST_MS = 120;

export type Preview =
  | { kind: 'none' }
  | { kind: 'waiting'; svg: string | null; message: string }
  | { kind: 'drawn'; svg: string }
  | { kind: 'failed'; message: string };

export type Figure = ReturnType<typeof createFigure>;

export function createFigure(store: Store, host: Host, shown: (format: ExportFormat) => ExportParams) {
  const open = signal(false);
  const view = signal<FigureView>('routes');
  /** For paper, until something else is chosen. */
  const appearance = signal<Appearance>('light');
  /** Millimetres; null: as wide as it needs. */
  const width = signal<number | null>(TWO_COLUMNS);
  const kept = signal(true);
  const caption = signal(true);
  /** null: that of the view. */
  const threshold = signal<number | null>(null);
  const shownThreshold = store.tau;
  const preview = signal<Preview>({ kind: 'none' });

  /** The layer and the head that a map shows; null where none is selected. */
  const place = computed(() => headMeant(store));

  function params(): Partial<ExportParams> {
    const at = place.value;
    return {
      view: view.value,
      appearance: appearance.value,
      widthMm: width.value,
      kept: kept.value,
      caption: caption.value,
      ...(threshold.value !== null && { threshold: threshold.value }),
      ...(view.value === 'map' && { layer: at?.layer ?? null, head: at?.head ?? null }),
      ...store.lenses.reading.value,
    };
  }

  /** Draws again whenever something changes, while the preview is open; the answer to an older question is not waited for. */
  function live(): () => void {
    let asked: AbortController | null = null;
    const stop = effect(() => {
      asked?.abort();
      asked = null;
      if (!open.value || !store.analysis.value) return;
      const question = { ...shown('svg'), ...params() };
      const own = (asked = new AbortController());
      const before = preview.peek();
      const svg = before.kind === 'drawn' || before.kind === 'waiting' ? before.svg : null;
      preview.value = { kind: 'waiting', svg, message: 'Drawing …' };
      const timer = setTimeout(() => void draw(question, own, svg), svg === null ? 0 : REST_MS);
      own.signal.addEventListener('abort', () => clearTimeout(timer));
    });
    return () => {
      stop();
      asked?.abort();
    };
  }

  async function draw(question: ExportParams, own: AbortController, svg: string | null): Promise<void> {
    const current = (now: Preview): void => {
      if (!own.signal.aborted) preview.value = now;
    };
    try {
      const { text } = await host.ask(
        { method: 'lmTransparency/export', params: question },
        { signal: own.signal, onProgress: ({ message }) => current({ kind: 'waiting', svg, message }) },
      );
      current({ kind: 'drawn', svg: text });
    } catch (error) {
      current({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
    }
  }

  function show(): void {
    view.value = store.view.peek();
    threshold.value = null;
    preview.value = { kind: 'none' };
    open.value = true;
  }

  return {
    open,
    view,
    appearance,
    width,
    kept,
    caption,
    threshold,
    shownThreshold,
    preview,
    place,
    params,
    live,
    show,
  };
}

/** Of a selected edge, node or head: its layer, and its head if one is meant. */
function headMeant({ selection, headFilter }: Store): { layer: number; head: number | null } | null {
  if (headFilter.value) return headFilter.value;
  const name = selection.value ?? '';
  const edge = parseEdge(name);
  if (edge?.kind === 'attention') return { layer: edge.target.layer, head: detailOf(name) };
  const node = parseNode(name);
  return node && node.letter !== 'X' ? { layer: node.layer, head: null } : null;
}
