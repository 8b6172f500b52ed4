/** The graph as lists, for readers and screen readers: routes by flow, and effects by kind. */
import { useSignal } from '@preact/signals';
import type { Ink } from '../routes/headTotals';
import { Tabs, panelId, tabId } from '../controls/tabs';
import type { Tab } from '../controls/tabs';
import { OFFLINE } from '../inspectors/parts';
import type { Store } from '../store/state';
import { EffectsList, LISTED } from './effectsList';
import type { ListedKind } from './effectsList';
import { RoutesList } from './routesList';

type ListId = ListedKind | 'routes';

const LIST = 'list';
const ROUTES: Tab<ListId> = { id: 'routes', label: 'routes', title: 'The strongest routes, by flow' };

export function Twin({ store }: { store: Store }) {
  const chosen = useSignal<{ ink: Ink; id: ListId } | null>(null);
  const analysis = store.analysis.value;
  const known = store.causes.known.value;
  const ink = store.ink.value;
  if (!analysis) return null;
  const kinds = new Set([...(known?.units.values() ?? [])].map(({ kind }) => kind));
  const lists = (Object.keys(LISTED) as ListedKind[])
    .filter((kind) => kinds.has(kind))
    .map((kind): Tab<ListId> => ({
      id: kind,
      label: LISTED[kind],
      title: `The ${LISTED[kind]} with the largest effects`,
    }));
  // the ink's own list comes first
  const tabs = ink === 'effect' ? [...lists, ROUTES] : [ROUTES, ...lists];
  const wanted = chosen.value?.ink === ink ? chosen.value.id : undefined;
  const shown = tabs.find(({ id }) => id === wanted)?.id ?? tabs[0]?.id ?? 'routes';
  const hasTabs = tabs.length > 1;
  return (
    <div class="twin" data-testid="twin" role="region" aria-label="Routes as a list">
      {hasTabs && (
        <Tabs
          name={LIST}
          label="Lists"
          tabs={tabs}
          shown={shown}
          onChoose={(id) => (chosen.value = { ink, id })}
          class="switch lists"
        />
      )}
      {!known && ink === 'effect' && (
        <p class="dim" role="status" data-testid="no-effects">
          {whyNone(store)}
        </p>
      )}
      <div id={panelId(LIST)} {...(hasTabs && { role: 'tabpanel', 'aria-labelledby': tabId(LIST, shown) })}>
        {shown === 'routes' || !known ? (
          <RoutesList store={store} />
        ) : (
          <EffectsList key={shown} store={store} analysis={analysis} effects={known} kind={shown} />
        )}
      </div>
    </div>
  );
}

/** Why there are no effects to list. */
function whyNone(store: Store): string {
  const phase = store.causes.phase.value;
  if (phase.kind === 'failed') return phase.message;
  if (store.recording) return 'Effects are not part of this recording.';
  if (store.offline.value !== null) return OFFLINE;
  return 'Effects are being predicted …';
}
