/** What the inspectors are built from: tokens to click, lists with bars, bars behind the text. */
import type { ComponentChildren } from 'preact';
import { labelAt } from '../describe';
import { nodeName } from '../names';
import type { NodeRef } from '../names';
import { roving } from '../controls/roving';
import type { Store } from '../state';

/** A token's text that selects its node. */
export function TokenLink({ store, node, warm = false }: { store: Store; node: NodeRef; warm?: boolean }) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  const name = nodeName(node);
  return (
    <button
      type="button"
      tabIndex={-1}
      class={`token-link${warm ? ' warm' : ''}`}
      title={`${name}: select this node`}
      onClick={() => store.select(name)}
      onPointerEnter={() => (store.hover.value = name)}
      onPointerLeave={() => (store.hover.value = null)}
    >
      <bdi class="token">{labelAt(analysis, node.position)}</bdi>
    </button>
  );
}

/** A heading in small capitals over its content. */
export function Section({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="section">
      <h3>
        {title}
        {aside}
      </h3>
      {children}
    </section>
  );
}

export interface BarRow {
  key: string;
  label: ComponentChildren;
  value: number;
  /** Drawn after the bar. */
  number: string;
  title: string;
  faint?: boolean;
  selected?: boolean;
  /** The node or edge that the row stands for. */
  name?: string;
  /** What a click does instead of selecting that. */
  onPick?: () => void;
  ink?: 'attention' | 'residual' | 'ffn' | 'bias';
}

/** Rows of label, bar and number; bars are scaled to the largest value. */
export function BarList({ store, rows, testId }: { store: Store; rows: BarRow[]; testId?: string }) {
  const most = Math.max(1e-12, ...rows.map((row) => row.value));
  return (
    <ul class="bars" role="list" onKeyDown={roving} data-testid={testId}>
      {rows.map((row, index) => (
        <li key={row.key}>
          <button
            type="button"
            tabIndex={index === 0 ? 0 : -1}
            class={`bar-row${row.faint ? ' faint' : ''}${row.selected ? ' selected' : ''}`}
            title={row.title}
            aria-label={row.title}
            onClick={() => (row.onPick ? row.onPick() : row.name && store.select(row.name))}
            onPointerEnter={() => row.name && (store.hover.value = row.name)}
            onPointerLeave={() => row.name && (store.hover.value = null)}
          >
            <span class="label">{row.label}</span>
            <span class="track">
              <span class={`fill ${row.ink ?? 'attention'}`} style={{ width: `${(row.value / most) * 100}%` }} />
            </span>
            <span class="number">{row.number}</span>
          </button>
        </li>
      ))}
    </ul>
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
}

/** Tokens of the vocabulary with bars behind the text. */
export function TextBars({ rows, tone, testId }: { rows: TextBar[]; tone: 'plain' | 'up' | 'down'; testId?: string }) {
  return (
    <ol class={`text-bars ${tone}`} role="list" data-testid={testId}>
      {rows.map((row) => (
        <li key={row.key} title={row.title}>
          <span class="text">
            <span class="fill" style={{ width: `${Math.max(0, Math.min(1, row.fraction)) * 100}%` }} />
            <bdi class="token">{row.text}</bdi>
          </span>
          {row.change !== undefined && <Change by={row.change} />}
          <span class="number">{row.number}</span>
        </li>
      ))}
    </ol>
  );
}

/** Ranks gained against the node before. */
function Change({ by }: { by: number }) {
  if (by === 0) return <span class="change" />;
  return <span class={`change ${by > 0 ? 'up' : 'down'}`}>{by > 0 ? `↑${by}` : `↓${-by}`}</span>;
}
