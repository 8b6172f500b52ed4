import type { ListedModel, ListModelsResult, ModelKind, Support } from '../../shared/protocol';
import type { Place } from '../remote/target';
import { expandHome, pathsOf } from '../setUp/paths';
import { checked } from './quickPick';
import { plainLabel, sizeText } from '../words';

/** A line of the model list, and what choosing it means. */
export interface ModelItem {
  label: string;
  description: string;
  choice:
    /** `allowDownload`: the hub id itself was chosen, so it may be fetched. */
    { kind: 'model'; source: string; allowDownload: boolean } | { kind: 'folder' } | { kind: 'file' } | { kind: 'hub' };
  /** Shown for any input. */
  alwaysShow?: boolean;
}

export interface ModelSection {
  title: string;
  items: ModelItem[];
}

/** What was chosen before, what the backend finds, and the ways to name another. `chosen` is marked. */
export function modelSections(
  listed: ListModelsResult | null,
  chosen: string,
  recent: readonly string[],
  place: Place,
): ModelSection[] {
  const models = listed?.models ?? [];
  const isEmbedded = (source: string) => source === '' || source === listed?.defaultSource;
  const named = [...(isListed(listed, chosen) || recent.includes(chosen) ? [] : [chosen]), ...recent];
  const recentItems = named
    .filter((source) => !isEmbedded(source))
    .map((source) => {
      const model = models.find((known) => known.source === source);
      return itemOf(source, model?.name ?? source, source === chosen, model ? describe(model) : kindOf(source, place));
    });
  const others = models.filter(({ source }) => isEmbedded(source) || !named.includes(source));
  const listedItems = others.map((model) => {
    const source = isEmbedded(model.source) ? '' : model.source;
    return itemOf(source, model.name, source === chosen || model.source === chosen, describe(model));
  });
  const browsing: ModelItem[] = [
    {
      label: '$(folder) Browse for a model folder…',
      description: 'safetensors and config.json',
      choice: { kind: 'folder' },
    },
    { label: '$(file-binary) Browse for a GGUF file…', description: '', choice: { kind: 'file' } },
  ];
  const ways: ModelItem[] = [
    ...(place.isRemote ? [] : browsing),
    { label: '$(cloud-download) Enter a hub id…', description: 'organization/name', choice: { kind: 'hub' } },
  ];
  return [
    { title: 'recent', items: recentItems },
    { title: 'on this machine', items: listedItems },
    { title: 'another', items: ways },
  ].filter(({ items }) => items.length > 0);
}

/** The typed text as a model: a full path or a hub id; null if it is neither or already listed. */
export function typedItem(typed: string, sections: readonly ModelSection[], place: Place): ModelItem | null {
  const text = typed.trim().replace(/^(["'])(.*)\1$/, '$2');
  const source = expandHome(text, place.platform, place.home);
  const known = sections.flatMap(({ items }) => items.map(({ choice }) => choice));
  if (source === '' || known.some((choice) => choice.kind === 'model' && choice.source === source)) return null;
  const isPath = isAbsolute(source, place);
  if (!isPath && refuseHubId(source) !== null) return null;
  const choice = { kind: 'model', source, allowDownload: !isPath } as const;
  // in the description: matching labels are sorted by name, and Enter must take a model that is listed before this one
  const label = isPath ? '$(folder)' : '$(cloud-download)';
  return { label, description: `${plainLabel(source)} · ${kindOf(source, place)}`, choice, alwaysShow: true };
}

function itemOf(source: string, name: string, isChosen: boolean, description: string): ModelItem {
  return { label: checked(isChosen, name), description, choice: { kind: 'model', source, allowDownload: false } };
}

function isListed(listed: ListModelsResult | null, source: string): boolean {
  return source === '' || (listed?.models.some((model) => model.source === source) ?? false);
}

function isAbsolute(source: string, { platform }: Place): boolean {
  return pathsOf(platform).isAbsolute(source);
}

function kindOf(source: string, place: Place): string {
  if (!isAbsolute(source, place)) return 'hub id, downloaded where it is missing';
  return source.toLowerCase().endsWith('.gguf') ? 'GGUF file' : 'folder';
}

const KINDS: Record<ModelKind, string> = {
  embedded: 'comes with the backend',
  cached: 'downloaded',
  folder: 'folder',
  gguf: 'GGUF file',
  adapter: 'adapter',
};

const WARNINGS: Record<Support, string> = {
  exact: '',
  unknown: '',
  refused: 'cannot be analyzed',
  caught: 'its proof fails',
};

function describe(model: ListedModel): string {
  const kind = KINDS[model.kind];
  const of =
    model.kind === 'adapter' ? `${model.family} adapter of ${plainLabel(model.base) || 'an unnamed model'}` : '';
  return [model.loaded ? 'loaded' : '', of || kind, sizeText(model.sizeBytes), WARNINGS[model.support]]
    .filter(Boolean)
    .join(' · ');
}

/** Why a text is no hub id, with or without a revision; null when it is one. */
export function refuseHubId(text: string): string | null {
  const id = text.trim();
  if (id === '') return 'A hub id looks like organization/name.';
  const part = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?';
  const revision = '@[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*';
  return new RegExp(`^${part}(?:/${part})?(?:${revision})?$`).test(id) && !/--|\.\./.test(id)
    ? null
    : 'A hub id looks like organization/name.';
}
