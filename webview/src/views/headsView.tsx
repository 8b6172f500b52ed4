/** The head overview: what every head contributes to the current routes, and what it was measured to do. */
import { useMemo } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { attempt } from '../analysis/arrays';
import { useReply } from '../store/ask';
import type { GraphView } from '../graph/view';
import type { Store } from '../store/state';
import { headNumbers, scaleWords } from './headNumbers';
import { STRONG, TAG_LETTERS, TAG_WORDS, tagTable } from './headTags';
import { HeadDetail } from './headDetail';
import { HeadGrid } from './headGrid';
import { Waiting } from '../controls/waiting';

const NOTHING = { value: null, problem: null };

export function HeadsView({ store, view }: { store: Store; view: GraphView }) {
  const reply = useReply(store, 'lmTransparency/headTags', {});
  const result = reply?.state === 'known' ? reply.result : null;
  const source = store.source.value;
  const routes = store.routes.value;
  const { nLayers = 0, nHeads = 0 } = store.analysis.value?.meta.model ?? {};
  const read = useMemo(
    () => (result ? attempt(() => tagTable(result, nLayers, nHeads)) : NOTHING),
    [result, nLayers, nHeads],
  );
  const tags = read.value;
  const letters = useSignal(true);
  const ink = store.ink.value;
  const known = store.effects.value?.known ?? null;
  const numbers = useMemo(
    () => (source && routes ? headNumbers(source, routes, nHeads, ink, known) : null),
    [source, routes, nHeads, ink, known],
  );
  if (!source || !routes || !numbers || nHeads === 0) return null;
  return (
    <>
      <HeadGrid store={store} view={view} numbers={numbers} tags={tags} letters={letters} />
      <div class="view-controls" data-testid="head-tags">
        <span class="dim">colour: {scaleWords(numbers)}</span>
        <Waiting reply={reply} what="What the heads do" problem={read.problem} />
        {tags && !letters.value && <span class="dim">Point at a head to see what it does.</span>}
        {tags && letters.value && (
          <span class="tag-legend" title={`a letter stands for a score of ${STRONG} or more`}>
            {result?.tags
              .filter((tag) => tag !== 'first')
              .map((tag) => (
                <span key={tag} class="key">
                  <b>{TAG_LETTERS[tag]}</b> {TAG_WORDS[tag]}
                </span>
              ))}
            <span class="key">no letter: most rest on the first token</span>
          </span>
        )}
      </div>
      <HeadDetail store={store} source={source} routes={routes} numbers={numbers} tags={tags} />
    </>
  );
}
