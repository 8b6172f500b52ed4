/** The target and the contrast that are named, by text or as `#ID`: both as tokens, through the layers. */
import type { LensTrack } from '../../../extension/shared/protocol';
import type { About } from '../../../extension/shared/webview';
import { predictedAt } from '../analysis/payload';
import { useReply } from '../store/ask';
import type { Reply } from '../store/ask';
import type { Store } from '../store/state';

export interface Named {
  /** The named target; where only a contrast is named, the model's prediction. */
  target: LensTrack | null;
  contrast: LensTrack | null;
  /** The token that a text was read as, if there was a choice. */
  notes: string[];
}

const NUMBER = /^#(\d+)$/;

/** "#12" → 12; null for a text. */
export function idOf(name: string | null): number | null {
  const match = NUMBER.exec(name ?? '');
  return match ? Number(match[1]) : null;
}

/** What was chosen at the target, else what the prompt's file names. */
export function namesShown(store: Store): About | null {
  return store.causes.chosen.value ?? store.about.value;
}

/** The token that a text is read as; null: no text. */
export function useToken(
  store: Store,
  text: string | null,
): { reply: Reply<'lmTransparency/lensTrack'> | null; token: LensTrack | undefined } {
  const reply = useReply(
    store,
    'lmTransparency/lensTrack',
    text === null ? null : { position: store.target.value, tokens: [], texts: [text], normalize: true },
  );
  return { reply, token: reply?.state === 'known' ? reply.result.tracks[0] : undefined };
}

interface Tracked {
  reply: Reply<'lmTransparency/lensTrack'>;
  named: Named | null;
}

/** The named tokens at the target; null where none is named. */
export function useNamed(store: Store, names: About | null): Tracked | null {
  const position = store.target.value;
  const analysis = store.analysis.value;
  const predicted = analysis && predictedAt(analysis, position);
  const isNamed = names !== null && (names.target !== null || names.contrast !== null) && analysis !== null;
  const first = names?.target ?? (predicted === null ? null : `#${predicted}`);
  const wanted = isNamed ? [first, names.contrast].filter((name) => name !== null) : [];
  const tokens = wanted.map(idOf).filter((id) => id !== null);
  const texts = wanted.filter((name) => idOf(name) === null);
  const reply = useReply(
    store,
    'lmTransparency/lensTrack',
    isNamed ? { position, tokens, texts, normalize: true } : null,
  );
  if (!reply) return null;
  if (reply.state !== 'known') return { reply, named: null };
  // the answer has the numbered ones first
  const { tracks, notes } = reply.result;
  const at = (name: string | null): LensTrack | null => {
    const id = idOf(name);
    const index = id === null ? tokens.length + texts.indexOf(name ?? '') : tokens.indexOf(id);
    return tracks[index] ?? null;
  };
  const contrast = names?.contrast ?? null;
  return { reply, named: { target: at(first), contrast: contrast === null ? null : at(contrast), notes } };
}
