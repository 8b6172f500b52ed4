/** One line over the views: which view, the threshold, how edges are kept and inked, the model, the proof, files, room. */
import { shortModel } from '../../../extension/shared/modelName';
import type { Host } from '../hosts/host';
import type { Exporter } from '../store/exporter';
import type { Arrangement } from '../layout/arrangement';
import { MaximizeButtons } from '../layout/maximize';
import { MODEL } from '../words/names';
import type { Store } from '../store/state';
import { count, shortDtype } from '../words/words';
import { ExportMenu } from './exportMenu';
import { FillingIn } from './filling';
import { Options } from './options';
import { ProofTick } from './proof';
import { roving } from './roving';
import { Threshold } from './threshold';
import { ViewSwitch } from './viewSwitch';

interface Props {
  store: Store;
  host: Host;
  exporter: Exporter;
  arrangement: Arrangement;
}

export function Toolbar({ store, host, exporter, arrangement }: Props) {
  const analysis = store.analysis.value;
  const edges = store.routes.value?.crossEdges ?? 0;
  if (!analysis) return null;
  const { proof } = analysis.meta;
  const auto = store.threshold.value === 'auto';
  return (
    <div class="toolbar" role="toolbar" aria-label="Routes">
      <ViewSwitch store={store} />
      <Threshold store={store} />
      <div class="commands" onKeyDown={roving}>
        <button
          type="button"
          class={`quiet${auto ? ' on' : ''}`}
          data-testid="auto"
          aria-pressed={auto}
          title="The smallest threshold that leaves at most 60 edges between different tokens"
          onClick={() => store.setThreshold('auto')}
        >
          Auto
        </button>
        <Options store={store} />
        <span class="edge-count dim" data-testid="edge-count" title="kept attention edges between different tokens">
          {count(edges)} {edges === 1 ? 'edge' : 'edges'}
        </span>
        <FillingIn store={store} />
        <HeadChip store={store} />
        <span class="spring" />
        <ModelName store={store} />
        <ProofTick store={store} proof={proof} />
        {!store.recording && <ExportMenu exporter={exporter} host={host} />}
        <MaximizeButtons arrangement={arrangement} />
      </div>
    </div>
  );
}

function ModelName({ store }: { store: Store }) {
  const model = store.analysis.value?.meta.model;
  if (!model) return null;
  const selected = store.selection.value === MODEL;
  return (
    <button
      type="button"
      tabIndex={-1}
      class={`model${selected ? ' warm' : ' dim'}`}
      data-testid="model"
      data-short={shortModel(model.name)}
      aria-pressed={selected}
      title={`${model.name} · ${model.architecture} · ${model.nLayers} layers, ${model.nHeads} heads · ${model.source}`}
      onClick={() => store.select(selected ? null : MODEL)}
    >
      <span class="whole">{model.name}</span>
      <span class="roomiest">
        {' '}
        · {shortDtype(model.dtype)} · {model.device}
      </span>
    </button>
  );
}

/** Only this head's edges stand out; a click shows all again. */
function HeadChip({ store }: { store: Store }) {
  const head = store.headFilter.value;
  if (!head) return null;
  return (
    <button
      type="button"
      tabIndex={-1}
      class="quiet on head-chip"
      data-testid="head-filter"
      aria-label={`Only layer ${head.layer}, head ${head.head}: show all edges`}
      title="Only edges with a kept part of this head stand out; click to show all"
      onClick={() => (store.headFilter.value = null)}
    >
      L{head.layer} H{head.head} ×
    </button>
  );
}
