/** One line over the graph: threshold, how it is kept and inked, the model, the proof. */
import type { Store } from '../state';
import { count, shortDtype } from '../words';
import { ProofTick } from './proof';
import { roving } from './roving';
import { Threshold } from './threshold';

export function Toolbar({ store }: { store: Store }) {
  const analysis = store.analysis.value;
  const edges = store.routes.value?.crossEdges ?? 0;
  if (!analysis) return null;
  const { model, proof } = analysis.meta;
  const flow = store.ink.value === 'flow';
  return (
    <div class="toolbar" role="toolbar" aria-label="Routes">
      <Threshold store={store} />
      <div class="options" role="group" aria-label="Drawing" onKeyDown={roving}>
        <button
          type="button"
          class={`quiet${store.threshold.value === 'auto' ? ' on' : ''}`}
          data-testid="auto"
          aria-pressed={store.threshold.value === 'auto'}
          title="The smallest threshold that leaves at most 60 edges between different tokens"
          onClick={() => store.setThreshold('auto')}
        >
          Auto
        </button>
        <button
          type="button"
          tabIndex={-1}
          class={`quiet${store.renormalize.value ? ' on' : ''}`}
          data-testid="renormalize"
          aria-pressed={store.renormalize.value}
          title="Drop every part at or under the threshold, and let the others of a row sum to 1"
          onClick={() => (store.renormalize.value = !store.renormalize.value)}
        >
          Renormalize
        </button>
        <span class="switch" role="group" aria-label="Ink">
          <button
            type="button"
            tabIndex={-1}
            class={`quiet${flow ? ' on' : ''}`}
            data-testid="ink-flow"
            aria-pressed={flow}
            title="Width and opacity: flow into the target"
            onClick={() => (store.ink.value = 'flow')}
          >
            Flow
          </button>
          <button
            type="button"
            tabIndex={-1}
            class={`quiet${flow ? '' : ' on'}`}
            data-testid="ink-local"
            aria-pressed={!flow}
            title="Width and opacity: local contribution"
            onClick={() => (store.ink.value = 'local')}
          >
            Local
          </button>
        </span>
      </div>
      <span class="edge-count dim" data-testid="edge-count" title="kept attention edges between different tokens">
        {count(edges)} {edges === 1 ? 'edge' : 'edges'}
      </span>
      <span class="about">
        <span
          class="model dim"
          data-testid="model"
          title={`${model.architecture} · ${model.nLayers} layers, ${model.nHeads} heads · ${model.source}`}
        >
          {model.name} · {shortDtype(model.dtype)} · {model.device}
        </span>
        <ProofTick proof={proof} />
      </span>
    </div>
  );
}
