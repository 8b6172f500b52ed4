/** All heads of a layer as thumbnails, behind a disclosure: asked for when it is open. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { LayerMapsResult } from '../../../extension/shared/protocol';
import { attempt, numbersOf } from '../analysis/arrays';
import { useReply } from '../store/ask';
import { roving } from '../controls/roving';
import { edgeName, withDetail } from '../words/names';
import type { EdgeRef } from '../words/names';
import type { Store } from '../store/state';
import { share } from '../words/words';
import { putPixels, readInks } from './inks';
import { OFFLINE } from './parts';
import { shownIn } from './shown';

interface Props {
  store: Store;
  edge: EdgeRef;
  nHeads: number;
  head: number | null;
}

export function LayerMaps({ store, edge, nHeads, head }: Props) {
  const shown = shownIn(store);
  const open = shown.layerMaps.value;
  return (
    <section class="section">
      <div class="heading">
        <h3>
          <button
            type="button"
            class="disclosure"
            data-testid="maps-toggle"
            aria-expanded={open}
            onClick={() => (shown.layerMaps.value = !open)}
          >
            All maps of layer {edge.target.layer}
          </button>
        </h3>
        <span class="spring" />
        {open && <KindSwitch store={store} />}
      </div>
      {open && <Thumbnails store={store} edge={edge} nHeads={nHeads} head={head} />}
    </section>
  );
}

function KindSwitch({ store }: { store: Store }) {
  const { layerMapsOf } = shownIn(store);
  return (
    <span class="switch" role="group" aria-label="What the thumbnails show">
      {(['attention', 'contribution'] as const).map((kind) => (
        <button
          key={kind}
          type="button"
          class={`quiet small${layerMapsOf.value === kind ? ' on' : ''}`}
          data-testid={`maps-${kind}`}
          aria-pressed={layerMapsOf.value === kind}
          onClick={() => (layerMapsOf.value = kind)}
        >
          {kind}
        </button>
      ))}
    </span>
  );
}

function Thumbnails({ store, edge, nHeads, head }: Props) {
  const { layer } = edge.target;
  const shown = shownIn(store);
  const reply = useReply(store, 'lmTransparency/layerMaps', { layer });
  if (reply?.state === 'failed') return <Unknown store={store} message={reply.message} />;
  const result = reply?.state === 'known' ? reply.result : null;
  const read = result && attempt(() => thumbnailsOf(result, shown.layerMapsOf.value, nHeads));
  if (read && read.problem !== null) return <Unknown store={store} message={read.problem} />;
  const stop = head ?? 0;
  return (
    <ul class="thumbnails" role="list" data-testid="maps" aria-busy={result === null} onKeyDown={roving}>
      {Array.from({ length: nHeads }, (_, h) => (
        <li key={h}>
          <button
            type="button"
            tabIndex={h === stop ? 0 : -1}
            class={`thumbnail${h === head ? ' selected' : ''}`}
            data-head={h}
            aria-pressed={h === head}
            title={
              result
                ? `layer ${layer}, head ${h}: contribution ${share(result.total[h] ?? 0)} to a token's residual after attention (sum over keys, mean over queries)`
                : `layer ${layer}, head ${h}`
            }
            onClick={() => {
              shown.allHeads.value = null;
              store.select(withDetail(edgeName(edge), h));
            }}
          >
            <Thumbnail store={store} side={result?.side ?? 1} levels={read?.value?.[h] ?? null} />
            <span class="name">H{h}</span>
            <span class="number">{result ? share(result.total[h] ?? 0) : ''}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Unknown({ store, message }: { store: Store; message: string }) {
  return (
    <p class="dim" role="status">
      {store.offline.value === null ? message : OFFLINE}
    </p>
  );
}

/** The levels of each head's map, [side · side]. */
function thumbnailsOf(result: LayerMapsResult, kind: 'attention' | 'contribution', nHeads: number): Uint8Array[] {
  const { side } = result;
  const array = kind === 'attention' ? result.probability : result.contribution;
  const levels = numbersOf(array, 'uint8', [nHeads, side, side]);
  return Array.from({ length: nHeads }, (_, h) => levels.subarray(h * side * side, (h + 1) * side * side));
}

function Thumbnail({ store, side, levels }: { store: Store; side: number; levels: Uint8Array | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const draw = (): void => {
    const element = canvas.current;
    if (!element || !levels) return;
    const inks = readInks(element);
    const pixels = new Uint32Array(side * side);
    for (let row = 0; row < side; row++) {
      for (let column = 0; column <= row; column++) {
        pixels[row * side + column] = inks[levels[row * side + column] ?? 0] ?? 0;
      }
    }
    putPixels(element, pixels, side);
  };
  // the inks come with the theme; the pixels are there in the frame that shows the answer
  useLayoutEffect(draw, [levels?.buffer, levels?.byteOffset, side, store.themed.value]);
  return <canvas ref={canvas} aria-hidden="true" />;
}
