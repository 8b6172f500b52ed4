/** The model that was analyzed: its sizes, where it runs, and what can be changed about it. */
import type { ModelInfo } from '../../../extension/shared/protocol';
import type { PanelAction } from '../../../extension/shared/webview';
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import { bytes, count, many, shortDtype } from '../words/words';
import { Kind } from './kind';
import { Section } from './parts';

interface Fact {
  key: keyof ModelInfo;
  name: string;
  shown: string;
  title?: string;
}

const TASKS: Record<ModelInfo['task'], string> = {
  token: '',
  label: 'one of these is the answer',
  labels: 'each has a probability of its own',
  value: 'numbers, without probabilities',
};

export function modelFacts(model: ModelInfo): Fact[] {
  const short = shortDtype(model.dtype);
  return [
    { key: 'architecture', name: 'architecture', shown: model.architecture },
    { key: 'nParams', name: 'parameters', shown: many(model.nParams), title: `${count(model.nParams)} parameters` },
    { key: 'nLayers', name: 'layers', shown: count(model.nLayers) },
    { key: 'nHeads', name: 'heads', shown: count(model.nHeads), title: 'query heads in each layer' },
    { key: 'nKvHeads', name: 'KV heads', shown: count(model.nKvHeads), title: 'key and value heads in each layer' },
    { key: 'dModel', name: 'd_model', shown: count(model.dModel), title: 'width of the residual stream' },
    { key: 'dFfn', name: 'd_ffn', shown: count(model.dFfn), title: 'neurons in each feed-forward block, or expert' },
    ...expertsFact(model),
    { key: 'nVocab', name: 'vocabulary', shown: `${count(model.nVocab)} tokens` },
    ...(model.labels.length === 0
      ? []
      : [{ key: 'labels', name: 'labels', shown: model.labels.join(', '), title: TASKS[model.task] } as const]),
    { key: 'nContext', name: 'context', shown: `${count(model.nContext)} tokens` },
    { key: 'dtype', name: 'dtype', shown: short === model.dtype ? short : `${model.dtype} (${short})` },
    { key: 'device', name: 'device', shown: model.device },
    { key: 'memoryBytes', name: 'memory', shown: bytes(model.memoryBytes), title: `${count(model.memoryBytes)} bytes` },
    {
      key: 'parallel',
      name: 'blocks',
      shown: model.parallel ? 'attention and feed-forward in parallel' : 'attention, then feed-forward',
    },
    ...(model.source === '' ? [] : [{ key: 'source', name: 'source', shown: model.source } as const]),
  ];
}

/** "64 in 27 of 28 layers", if there are any. */
function expertsFact({ nExperts, nLayers }: ModelInfo): Fact[] {
  const having = nExperts.filter((count) => count > 0);
  if (having.length === 0) return [];
  const where = having.length === nLayers ? 'in each layer' : `in ${having.length} of ${nLayers} layers`;
  return [{ key: 'nExperts', name: 'experts', shown: `${count(Math.max(...having))} ${where}` }];
}

const ACTIONS: { action: PanelAction; label: string }[] = [
  { action: 'selectModel', label: 'Change Model…' },
  { action: 'selectDevice', label: 'Device…' },
  { action: 'selectDtype', label: 'Precision…' },
  { action: 'unloadModel', label: 'Unload' },
];

export function ModelInspector({ store }: { store: Store }) {
  const model = store.analysis.value?.meta.model;
  if (!model) return null;
  return (
    <>
      <Kind store={store}>model</Kind>
      <h2 class="what">
        <span class="token warm">{model.name}</span>
      </h2>
      <Section
        title="Facts"
        store={store}
        help="model"
        table={{
          name: 'model-facts',
          of: model.name,
          columns: ['fact', 'value'],
          rows: () => [['name', model.name], ...modelFacts(model).map(({ name, key }) => [name, String(model[key])])],
        }}
      >
        <dl class="facts" data-testid="model-facts">
          {modelFacts(model).map(({ key, name, shown, title }) => (
            <div key={key} title={title}>
              <dt>{name}</dt>
              <dd data-fact={key}>{shown}</dd>
            </div>
          ))}
        </dl>
      </Section>
      {store.inEditor && (
        <div class="model-actions" role="group" aria-label="Model" onKeyDown={roving}>
          {ACTIONS.map(({ action, label }, index) => (
            <button
              key={action}
              type="button"
              class="secondary"
              tabIndex={index === 0 ? 0 : -1}
              data-action={action}
              onClick={() => store.act(action)}
            >
              {label}
            </button>
          ))}
        </div>
      )}
    </>
  );
}
