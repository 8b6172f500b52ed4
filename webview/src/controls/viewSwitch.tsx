/** Chooses the view. */
import type { ViewName } from '../../../extension/shared/webview';
import type { Store } from '../store/state';
import { Tabs } from './tabs';
import type { Tab } from './tabs';

const VIEWS: readonly Tab<ViewName>[] = [
  { id: 'routes', label: 'Routes', title: 'The kept edges that carry information to the target' },
  { id: 'lens', label: 'Lens', title: 'What the model would predict next, after every layer at every token' },
  { id: 'heads', label: 'Heads', title: 'What each head contributes to the routes' },
];

export const VIEW = 'view';

export function ViewSwitch({ store }: { store: Store }) {
  return (
    <Tabs
      name={VIEW}
      label="View"
      tabs={VIEWS}
      shown={store.view.value}
      onChoose={(view) => (store.view.value = view)}
      class="switch views"
    />
  );
}
