/** What the inspectors are built from: tokens to click, lists with bars, bars behind the text. */
import type { ComponentChildren } from 'preact';
import { useSignal } from '@preact/signals';
import { labelAt, tokenClass } from '../words/describe';
import { nodeName } from '../words/names';
import type { NodeRef } from '../words/names';
import { roving } from '../controls/roving';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import type { HelpTopic } from './help';
import { Tools, useCopying } from './table';

interface TokenLinkProps {
  store: Store;
  node: NodeRef;
  /** In the colour of the selection. */
  warm?: boolean;
  /** The one that Tab reaches. */
  stop?: boolean;
}

/** A token's text that selects its node; the tokens of a title are one tab stop. */
export function TokenLink({ store, node, warm = false, stop = warm }: TokenLinkProps) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const name = nodeName(node);
  return (
    <button
      type="button"
      tabIndex={stop ? 0 : -1}
      class={`token-link${warm ? ' warm' : ''}`}
      title={`${name}: select this node`}
      onClick={() => store.select(name)}
      onKeyDown={(event) => roving(event, event.currentTarget.closest<HTMLElement>('.what'))}
      onPointerEnter={() => (store.hover.value = name)}
      onPointerLeave={() => (store.hover.value = null)}
    >
      <bdi class={tokenClass(analysis, node.position)}>{labelAt(analysis, node.position)}</bdi>
    </button>
  );
}

interface SectionProps {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  /** Needed where there is a table or help. */
  store?: Store;
  /** Can be copied (also with `c` from its list) and saved. */
  table?: Table | undefined;
  help?: HelpTopic;
}

/** A heading in small capitals over its content. */
export function Section({ title, aside, children, store, table, help }: SectionProps) {
  const { said, copy } = useCopying(store, table);
  const onKeyDown = (event: KeyboardEvent): void => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key !== 'c' || event.ctrlKey || event.metaKey || event.altKey || typing || !table) return;
    event.preventDefault();
    event.stopPropagation();
    copy();
  };
  return (
    <section class="section" onKeyDown={onKeyDown}>
      <div class="heading">
        <h3>{title}</h3>
        {store && (table || help) && (
          <Tools store={store} title={title} table={table} help={help} said={said} copy={copy} />
        )}
        {aside !== undefined && <span class="spring" />}
        {aside}
      </div>
      {children}
    </section>
  );
}

/** The first rows of a list, or all of them; what to render under the list to change that. */
export function useShown<Row>(rows: Row[], first: number | undefined): { shown: Row[]; more: ComponentChildren } {
  const all = useSignal(false);
  if (first === undefined || rows.length <= first) return { shown: rows, more: null };
  const more = (
    <button type="button" class="link more" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
      {all.value ? `show first ${first}` : `show all ${rows.length}`}
    </button>
  );
  return { shown: all.value ? rows : rows.slice(0, first), more };
}

export interface BarRow {
  key: string;
  label: ComponentChildren;
  value: number;
  /** Between the bar and its number. */
  lead?: ComponentChildren;
  /** Drawn after the bar. */
  number: string;
  /** Further quiet columns: an activation, a tag. */
  note?: ComponentChildren;
  title: string;
  faint?: boolean;
  selected?: boolean;
  /** The node or edge of the row. */
  name?: string;
  /** A click's action instead of selecting it. */
  onPick?: () => void;
  ink?: 'attention' | 'residual' | 'ffn' | 'bias' | 'mixer' | 'supports' | 'opposes';
  /** The row's subject as data attributes: the head, the neuron. */
  data?: Record<`data-${string}`, number | string>;
}

interface BarListProps {
  store: Store;
  rows: BarRow[];
  testId?: string;
  /** Rows before "show all". */
  first?: number;
}

/** Rows of label, bar, number and note; bars are scaled to the largest value. */
export function BarList({ store, rows, testId, first }: BarListProps) {
  const { shown, more } = useShown(rows, first);
  const most = Math.max(1e-12, ...rows.map((row) => row.value));
  return (
    <>
      <ul class="bars" role="list" onKeyDown={roving} data-testid={testId}>
        {shown.map((row, index) => (
          <li key={row.key}>
            <button
              type="button"
              tabIndex={index === 0 ? 0 : -1}
              class={`bar-row${row.faint ? ' faint' : ''}${row.selected ? ' selected' : ''}`}
              title={row.title}
              aria-current={row.selected ? 'true' : undefined}
              onClick={() => (row.onPick ? row.onPick() : row.name && store.select(row.name))}
              onPointerEnter={() => row.name && (store.hover.value = row.name)}
              onPointerLeave={() => row.name && (store.hover.value = null)}
              {...row.data}
            >
              <span class="label">{row.label}</span>
              <span class="track">
                <span class={`fill ${row.ink ?? 'attention'}`} style={{ width: `${(row.value / most) * 100}%` }} />
              </span>
              {row.lead}
              <span class="number">{row.number}</span>
              {row.note}
            </button>
          </li>
        ))}
      </ul>
      {more}
    </>
  );
}

export interface TextBar {
  key: string;
  text: string;
  /** Length of the bar behind the text, 0 … 1. */
  fraction: number;
  number: string;
  change?: number;
  title: string;
  /** A click's action, and whether it is already in effect. */
  onPick?: () => void;
  picked?: boolean;
  /** Another action or a mark, after the row. */
  beside?: ComponentChildren;
}

interface TextBarsProps {
  rows: TextBar[];
  tone: 'plain' | 'up' | 'down';
  testId?: string;
  /** Rows before "show all". */
  first?: number;
}

/** Tokens of the vocabulary with bars behind the text. */
export function TextBars({ rows, tone, testId, first }: TextBarsProps) {
  const { shown, more } = useShown(rows, first);
  return (
    <>
      <ol class={`text-bars ${tone}`} role="list" data-testid={testId} onKeyDown={roving}>
        {shown.map((row, index) => (
          <li key={row.key} class={row.beside === undefined ? undefined : 'with-beside'}>
            {row.onPick ? (
              <button
                type="button"
                class={`text-bar${row.picked ? ' picked' : ''}`}
                tabIndex={index === 0 ? 0 : -1}
                title={row.title}
                aria-pressed={row.picked ?? false}
                onClick={row.onPick}
              >
                <TextBarParts row={row} />
              </button>
            ) : (
              <span class="text-bar" title={row.title}>
                <TextBarParts row={row} />
              </span>
            )}
            {row.beside}
          </li>
        ))}
      </ol>
      {more}
    </>
  );
}

function TextBarParts({ row }: { row: TextBar }) {
  return (
    <>
      <span class="text">
        <span class="fill" style={{ width: `${Math.max(0, Math.min(1, row.fraction)) * 100}%` }} />
        <bdi class="token">{row.text}</bdi>
      </span>
      {row.change !== undefined && <Change by={row.change} />}
      <span class="number">{row.number}</span>
    </>
  );
}

/** Ranks gained against the node before. */
function Change({ by }: { by: number }) {
  if (by === 0) return <span class="change" />;
  return <span class={`change ${by > 0 ? 'up' : 'down'}`}>{by > 0 ? `↑${by}` : `↓${-by}`}</span>;
}

/** Rows to come, in the place they will take. */
export function Waiting({ title, rows = 6 }: { title: string; rows?: number }) {
  return (
    <Section title={title}>
      <ol class="text-bars waiting" aria-busy="true">
        {Array.from({ length: rows }, (_, i) => (
          <li key={i} />
        ))}
      </ol>
    </Section>
  );
}

/** Shown where an answer is needed and the backend is offline. */
export const OFFLINE = 'The backend is offline, and this needs its answer.';

/** Why there is no answer. */
export function NoAnswer({ store, title, message }: { store: Store; title: string; message: string }) {
  return (
    <Section title={title}>
      <p class="dim" role="status">
        {store.offline.value === null ? message : OFFLINE}
      </p>
    </Section>
  );
}
