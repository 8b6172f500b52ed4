/** The three tokens that a head or neuron promotes most, in its row of a list: asked for behind everything else. */
import { MOST_ITEMS } from '../../../extension/shared/webview';
import { useReply } from '../store/ask';
import type { Store } from '../store/state';
import { outputText } from '../words/answer';
import type { BarRow } from './parts';

const TOKENS = 3;

export interface Promoted {
  texts(unit: string): string[];
  /** "promotes ·Mary ·her ·the"; empty where nothing is known. */
  words(unit: string): string;
  /** A list's row with its tokens under the bar. */
  row(unit: string, row: BarRow): BarRow;
}

export function usePromoted(store: Store, units: readonly string[]): Promoted {
  const model = store.analysis.value?.meta.model;
  const asked = units.slice(0, MOST_ITEMS);
  const params = { units: asked, topK: TOKENS, ...store.lenses.reading.value, behind: true };
  const reply = useReply(store, 'lmTransparency/promoted', asked.length > 0 ? params : null);
  const found = reply?.state === 'known' ? reply.result.units : [];
  const known = new Map(found.map(({ unit, promoted }) => [unit, promoted.map(({ text }) => outputText(model, text))]));
  const texts = (unit: string): string[] => known.get(unit) ?? [];
  const words = (unit: string): string => (texts(unit).length === 0 ? '' : `promotes ${texts(unit).join(' ')}`);
  return {
    texts,
    words,
    row: (unit, row) => ({
      ...row,
      title: [row.title, words(unit)].filter(Boolean).join(', '),
      // the room is there from the start, so that nothing moves when the answer comes
      note: asked.length === 0 || reply?.state === 'failed' ? row.note : <>{row.note}<Says texts={texts(unit)} /></>, // prettier-ignore
    }),
  };
}

export function Says({ texts }: { texts: readonly string[] }) {
  return (
    <span class="says">
      {texts.map((text, i) => (
        <bdi key={i} class="token">
          {text}
        </bdi>
      ))}
    </span>
  );
}
