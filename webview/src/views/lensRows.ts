/** The rows of the lens grid as they arrive: the last layers first, whose lens is the model's prediction. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { LensChoice, LensGridResult } from '../../../extension/shared/protocol';
import type { Reply } from '../store/ask';
import type { Store } from '../store/state';

/** Cells that are asked for at once: a second's work for a small model. */
const CELLS_AT_ONCE = 128;

export interface RowSpan {
  firstRow: number;
  rowCount: number;
}

/** The questions that the grid is asked for with, in order. */
export function rowSpans(nRows: number, nTokens: number): RowSpan[] {
  const most = Math.max(1, Math.floor(CELLS_AT_ONCE / Math.max(1, nTokens)));
  const spans: RowSpan[] = [];
  for (let end = nRows; end > 0; end -= most) {
    const firstRow = Math.max(0, end - most);
    spans.push({ firstRow, rowCount: end - firstRow });
  }
  return spans;
}

export interface LensRows {
  /** Of the question that is on its way, or failed; of the last one where all are answered. */
  reply: Reply<'lmTransparency/lensGrid'> | null;
  /** The known part of the grid, or the previous grid until more of the new one is known. */
  known: LensGridResult[];
}

/** Asks for one stretch of rows after the other. */
export function useLensRows(store: Store, token: number | null, reading: LensChoice): LensRows {
  const run = store.analysis.value?.meta.runId;
  const { nLayers = 0, nTokens = 0 } = store.source.value ?? {};
  const nRows = nLayers + 1;
  const known: LensGridResult[] = [];
  let reply: LensRows['reply'] = null;
  let asked: { watch(): () => void } | null = null;
  // a recording has the rows together
  for (const span of store.recording ? [{}] : rowSpans(nRows, nTokens)) {
    const entry = store.asker.entry('lmTransparency/lensGrid', { token, ...reading, ...span });
    if (!entry) break;
    reply = entry.reply.value;
    asked = entry;
    if (reply.state !== 'known') break;
    known.push(reply.result);
  }
  const offline = store.offline.value !== null;
  useLayoutEffect(() => asked?.watch(), [asked, offline]);

  // following another token does not empty the grid
  const whole = useRef<{ run: string; known: LensGridResult[] } | null>(null);
  const isWhole = reply?.state === 'known';
  if (isWhole && run !== undefined) whole.current = { run, known };
  const before = whole.current?.run === run ? whole.current : null;
  if (reply?.state === 'asking' && known.length > 0) {
    const rows = nRows - (known.at(-1)?.firstRow ?? nRows);
    const fraction = rows / nRows;
    return {
      reply: { state: 'asking', progress: { message: `Lens: ${rows} of ${nRows} rows`, fraction } },
      known: before?.known ?? known,
    };
  }
  return { reply, known: isWhole || !before ? known : before.known };
}
