/** Actions on a list: copy as TSV, save as CSV. */
import { useEffect } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import { copied, saved } from '../words/table';
import type { Table } from '../words/table';
import { HelpMark } from './help';
import type { HelpTopic } from './help';

const SAID_MS = 1500;

/** True for a moment after it was set. */
function useMoment(): Signal<boolean> {
  const said = useSignal(false);
  const shown = said.value;
  useEffect(() => {
    const timer = shown ? setTimeout(() => (said.value = false), SAID_MS) : undefined;
    return () => clearTimeout(timer);
  }, [said, shown]);
  return said;
}

/** Copies a table and says so for a moment. */
export function useCopying(
  store: Store | undefined,
  table: Table | undefined,
): { said: Signal<boolean>; copy(): void } {
  const said = useMoment();
  return {
    said,
    copy() {
      if (!store || !table) return;
      store.tell(copied(table));
      said.value = true;
    },
  };
}

interface Props {
  store: Store;
  title: string;
  table?: Table | undefined;
  help?: HelpTopic | undefined;
  said: Signal<boolean>;
  copy: () => void;
}

/** One tab stop in a section's heading; seen when the pointer or the keyboard is there. */
export function Tools({ store, title, table, help, said, copy }: Props) {
  return (
    <span class="tools" role="group" aria-label={`${title}: table and help`} onKeyDown={roving}>
      {help && <HelpMark store={store} topic={help} />}
      {table && (
        <button
          type="button"
          class="tool"
          tabIndex={help ? -1 : 0}
          data-testid={`copy-${table.name}`}
          title="Copy as tab-separated values (c)"
          aria-label={`Copy ${title}`}
          onClick={copy}
        >
          <Sign path={said.value ? SIGNS.done : SIGNS.copy} />
        </button>
      )}
      {table && (
        <button
          type="button"
          class="tool"
          tabIndex={-1}
          data-testid={`save-${table.name}`}
          title="Save as comma-separated values…"
          aria-label={`Save ${title} as CSV`}
          onClick={() => store.tell(saved(table))}
        >
          <Sign path={SIGNS.save} />
        </button>
      )}
      <span class="sr-only" role="status">
        {said.value ? 'copied' : ''}
      </span>
    </span>
  );
}

interface CopyProps {
  store: Store;
  /** Made when it is wanted. */
  text: () => string;
  what: string;
  id: string;
}

/** A quiet sign that copies a sentence. */
export function CopyButton({ store, text, what, id }: CopyProps) {
  const said = useMoment();
  return (
    <>
      <button
        type="button"
        class="tool"
        tabIndex={-1}
        data-testid={`copy-${id}`}
        title={`Copy ${what}`}
        aria-label={`Copy ${what}`}
        onClick={() => {
          store.tell({ type: 'copy', text: text() });
          said.value = true;
        }}
      >
        <Sign path={said.value ? SIGNS.done : SIGNS.copy} />
      </button>
      <span class="sr-only" role="status">
        {said.value ? 'copied' : ''}
      </span>
    </>
  );
}

const SIGNS = {
  copy: 'M5.5 4.5v-3h7v8h-3m-6-5h6v9h-6z',
  save: 'M8 1.5v8m-3.5-3L8 10l3.5-3.5m-9 7h11',
  done: 'm2.5 8.5 3.5 4 7.5-9',
};

function Sign({ path }: { path: string }) {
  return (
    <svg class="sign" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
