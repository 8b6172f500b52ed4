/** Tabs: one tab stop, arrows move among them. */

export interface Tab<Id extends string> {
  id: Id;
  label: string;
  title: string;
}

interface Props<Id extends string> {
  /** Before the ids of elements: "view" → `view-tab-lens`. */
  name: string;
  label: string;
  tabs: readonly Tab<Id>[];
  shown: Id;
  onChoose: (id: Id) => void;
  class: string;
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1 };

/** The element that the tabs of a name are for. */
export const panelId = (name: string): string => `${name}-panel`;
export const tabId = (name: string, id: string): string => `${name}-tab-${id}`;

export function Tabs<Id extends string>({ name, label, tabs, shown, onChoose, class: className }: Props<Id>) {
  const onKeyDown = (event: KeyboardEvent): void => {
    const here = tabs.findIndex((tab) => tab.id === shown);
    const step = STEPS[event.key];
    const wanted =
      event.key === 'Home' ? 0 : event.key === 'End' ? tabs.length - 1 : step === undefined ? -1 : here + step;
    const next = tabs[wanted];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    onChoose(next.id);
    (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`#${tabId(name, next.id)}`)?.focus();
  };
  return (
    <span class={className} role="tablist" aria-label={label} onKeyDown={onKeyDown}>
      {tabs.map((tab) => (
        <button
          key={tab.id}
          id={tabId(name, tab.id)}
          type="button"
          role="tab"
          tabIndex={tab.id === shown ? 0 : -1}
          class={`quiet${tab.id === shown ? ' on' : ''}`}
          data-testid={`${name}-${tab.id}`}
          aria-selected={tab.id === shown}
          aria-controls={panelId(name)}
          title={tab.title}
          onClick={() => onChoose(tab.id)}
        >
          {tab.label}
        </button>
      ))}
    </span>
  );
}
