/** Layer numbers on the left: the first, the last, and every fifth. */
import type { Store } from '../store/state';
import { levelY } from './layout';
import type { GraphView } from './view';
import { px } from './layout';

const LEAST_DISTANCE = 13;

/** Every layer of a shallow model; otherwise steps of 5, 10, 20 …, whichever leaves room for the numbers. */
export function labelledLayers(nLayers: number, layerHeight: number): number[] {
  const sizes = nLayers <= 12 ? [1, 5] : [5, 10, 20, 50];
  const stepSize = sizes.find((size) => size * layerHeight >= LEAST_DISTANCE) ?? 100;
  const layers: number[] = [];
  for (let layer = 0; layer < nLayers; layer += stepSize) layers.push(layer);
  const last = nLayers - 1;
  const crowded = (layer: number): boolean => layer !== last && (last - layer) * layerHeight < LEAST_DISTANCE;
  const kept = layers.filter((layer) => !crowded(layer));
  return kept.includes(last) ? kept : [...kept, last];
}

export function LayerLabels({ store, view }: { store: Store; view: GraphView }) {
  const frame = view.frame.value;
  const source = store.source.value;
  if (!frame || !source) return null;
  const { plot } = frame;
  const inView = (y: number): boolean => y >= plot.y - 1 && y <= plot.y + plot.height + 1;
  return (
    <div class="layers" aria-hidden="true">
      <span class="axis-label" style={{ top: px(12) }}>
        layer
      </span>
      {labelledLayers(source.nLayers, frame.dy)
        .filter((layer) => inView(levelY(frame, layer)))
        .map((layer) => (
          <span key={layer} class="layer" style={{ top: px(levelY(frame, layer) - 8) }}>
            {layer}
          </span>
        ))}
      {store.view.value === 'lens' && frame.dy >= LEAST_DISTANCE && (
        <span class="layer" style={{ top: px(levelY(frame, -1) - 8) }}>
          emb.
        </span>
      )}
    </div>
  );
}
