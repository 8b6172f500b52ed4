/** Chooses the view. */
import type { ViewName } from '../../../extension/shared/webview';
import type { Store } from '../store/state';

const VIEWS: { view: ViewName; label: string; title: string }[] = [
  { view: 'routes', label: 'Routes', title: 'The kept edges that carry information to the target' },
  { view: 'lens', label: 'Lens', title: 'What the model would predict next, after every layer at every token' },
  { view: 'heads', label: 'Heads', title: 'What each head contributes to the routes' },
];

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1 };

/** The panel that the tabs are for. */
export const VIEW_PANEL = 'view-panel';
export const tabId = (view: ViewName): string => `view-tab-${view}`;

export function ViewSwitch({ store }: { store: Store }) {
  const shown = store.view.value;
  const onKeyDown = (event: KeyboardEvent): void => {
    const here = VIEWS.findIndex((entry) => entry.view === shown);
    const step = STEPS[event.key];
    const wanted =
      event.key === 'Home' ? 0 : event.key === 'End' ? VIEWS.length - 1 : step === undefined ? -1 : here + step;
    const next = VIEWS[wanted];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    store.view.value = next.view;
    (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`#${tabId(next.view)}`)?.focus();
  };
  return (
    <span class="switch views" role="tablist" aria-label="View" onKeyDown={onKeyDown}>
      {VIEWS.map(({ view, label, title }) => (
        <button
          key={view}
          id={tabId(view)}
          type="button"
          role="tab"
          tabIndex={view === shown ? 0 : -1}
          class={`quiet${view === shown ? ' on' : ''}`}
          data-testid={`view-${view}`}
          aria-selected={view === shown}
          aria-controls={VIEW_PANEL}
          title={title}
          onClick={() => (store.view.value = view)}
        >
          {label}
        </button>
      ))}
    </span>
  );
}
