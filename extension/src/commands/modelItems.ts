import type { ListedModel, ListModelsResult } from '../../shared/protocol';

/** A line of the model list, and what choosing it means. */
export interface ModelItem {
  label: string;
  description: string;
  choice: { kind: 'model'; source: string } | { kind: 'folder' } | { kind: 'file' } | { kind: 'hub' };
}

/** The backend's models, the chosen one marked, then the ways to name another. */
export function modelItems(listed: ListModelsResult | null, chosen: string): ModelItem[] {
  const current = chosen || listed?.defaultSource || '';
  const models = (listed?.models ?? []).map((model): ModelItem => {
    const isCurrent = model.source === current || (chosen === '' && model.source === listed?.defaultSource);
    return {
      label: `${isCurrent ? '$(check) ' : ''}${model.name}`,
      description: describe(model),
      choice: { kind: 'model', source: model.source === listed?.defaultSource ? '' : model.source },
    };
  });
  const isListed = listed?.models.some((model) => model.source === chosen) ?? false;
  const unlisted: ModelItem[] =
    chosen !== '' && !isListed
      ? [{ label: `$(check) ${chosen}`, description: 'chosen', choice: { kind: 'model', source: chosen } }]
      : [];
  return [
    ...unlisted,
    ...models,
    {
      label: '$(folder) Browse for a model folder…',
      description: 'safetensors and config.json',
      choice: { kind: 'folder' },
    },
    { label: '$(file-binary) Browse for a GGUF file…', description: '', choice: { kind: 'file' } },
    { label: '$(cloud-download) Enter a hub id…', description: 'organization/name', choice: { kind: 'hub' } },
  ];
}

function describe(model: ListedModel): string {
  const kind = { embedded: 'comes with the backend', cached: 'downloaded', folder: 'folder' }[model.kind];
  const size = model.sizeBytes > 0 ? `${(model.sizeBytes / 1e9).toFixed(1)} GB` : '';
  return [model.loaded ? 'loaded' : '', kind, size].filter(Boolean).join(' · ');
}

/** Why a text is no hub id; null when it is one. */
export function refuseHubId(text: string): string | null {
  const id = text.trim();
  if (id === '') return 'A hub id looks like organization/name.';
  const part = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?';
  return new RegExp(`^${part}(?:/${part})?$`).test(id) && !/--|\.\./.test(id)
    ? null
    : 'A hub id looks like organization/name.';
}
