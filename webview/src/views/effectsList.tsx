/** The effects of one kind of unit as a list: predicted and measured, the strongest first. */
import { useSignal } from '@preact/signals';
import type { UnitEffect, UnitKind } from '../../../extension/shared/protocol';
import { KNOCK_OUT, doneInWords, effectInWords, toneOf } from '../effects/inWords';
import { figureOf, listed } from '../effects/known';
import type { KnownEffects } from '../effects/known';
import { headOfUnit, headUnit, selectionOf } from '../effects/units';
import type { Analysis } from '../analysis/payload';
import { roving } from '../controls/roving';
import { Section } from '../inspectors/parts';
import { Says, usePromoted } from '../inspectors/promoted';
import type { Promoted } from '../inspectors/promoted';
import { effectNumber } from '../words/effect';
import type { Store } from '../store/state';
import { baseOf, detailOf, expertOf } from '../words/names';
import type { Table } from '../words/table';
import { count } from '../words/words';
import { UnitWords, unitInWords } from './unitWords';

const SHORT = 12;
const LONG = 200;

export const LISTED = {
  edge: 'edges',
  head: 'heads',
  ffn: 'blocks',
  token: 'tokens',
  expert: 'experts',
  neuron: 'neurons',
} as const satisfies Partial<Record<UnitKind, string>>;

export type ListedKind = keyof typeof LISTED;

/** Measured ones come first; with `predicted` the size of the prediction decides. */
type Order = 'measured' | 'predicted';

/** Beside a token's measured effect stands its share: the gradient of an embedding often has the wrong sign. */
const hasShares = (effects: readonly UnitEffect[]): boolean =>
  effects.some(({ kind, share }) => kind === 'token' && share !== null);

function inOrder(effects: readonly UnitEffect[], shares: boolean, order: Order): UnitEffect[] {
  const found = effects
    .map((effect) => (shares ? { ...effect, predicted: effect.share } : effect))
    .filter((effect) => figureOf(effect) !== null);
  if (order === 'measured') return found;
  return found.sort((a, b) => Math.abs(b.predicted ?? 0) - Math.abs(a.predicted ?? 0));
}

const wayInWords = (how: string): string =>
  how === KNOCK_OUT ? 'kept from being read by later tokens' : doneInWords(how);

/** "47 of 1,024 measured: set to zero." What was done, the usual way first. */
export function doneInList(effects: readonly UnitEffect[]): string {
  const ways = new Map<string, number>();
  for (const { how, measured } of effects) if (measured !== null) ways.set(how, (ways.get(how) ?? 0) + 1);
  const counted = [...ways].sort((a, b) => b[1] - a[1]);
  const total = counted.reduce((sum, [, n]) => sum + n, 0);
  // the row of a head shows its edges, and opens nothing
  const remedy = effects.some(({ kind }) => kind === 'head') ? '' : ': open one to measure it';
  if (total === 0) return `${count(effects.length)} predicted, none measured yet${remedy}.`;
  const words = counted.map(([how, n], index) => `${index === 0 ? '' : `${n} of them `}${wayInWords(how)}`);
  return `${count(total)} of ${count(effects.length)} measured: ${words.join(', ')}.`;
}

interface Props {
  store: Store;
  analysis: Analysis;
  effects: KnownEffects;
  kind: ListedKind;
}

export function EffectsList({ store, analysis, effects, kind }: Props) {
  const long = useSignal(false);
  const order = useSignal<Order>('measured');
  const known = listed(effects, kind);
  const shares = hasShares(known);
  const all = inOrder(known, shares, order.value);
  const rows = all.slice(0, long.value ? LONG : SHORT);
  const promoted = usePromoted(store, hasTokens(kind) ? rows.map(({ unit }) => placed(unit, effects.position)) : []);
  const most = Math.max(1e-12, ...all.map((effect) => Math.abs(figureOf(effect)?.value ?? 0)));
  return (
    <Section
      title="Effects"
      store={store}
      help="effects-by-kind"
      table={tableOf(kind, known)}
      aside={
        <span class="orders" role="group" aria-label="Order" onKeyDown={roving}>
          {(['predicted', 'measured'] as const).map((one) => (
            <button
              key={one}
              type="button"
              tabIndex={one === order.value ? 0 : -1}
              class={`order${one === order.value ? ' on' : ''}`}
              data-testid={`order-${one}`}
              aria-pressed={one === order.value}
              title={
                one === 'measured'
                  ? 'Measured ones first, by size'
                  : shares
                    ? 'By the size of the share'
                    : 'By the size of the prediction'
              }
              onClick={() => (order.value = one)}
            >
              {one === 'predicted' && shares ? 'share' : one}
            </button>
          ))}
        </span>
      }
    >
      <p class="dim done" data-testid="effects-done">
        {doneInList(all)}
      </p>
      <ul role="list" class="routes" onKeyDown={roving} data-testid={`effects-${kind}`}>
        {rows.map((effect, index) => (
          <Row
            key={effect.unit}
            store={store}
            analysis={analysis}
            effect={effect}
            most={most}
            first={index === 0}
            shares={shares}
            {...(hasTokens(kind) && { promoted })}
          />
        ))}
      </ul>
      {all.length > SHORT && (
        <button type="button" class="link" aria-expanded={long.value} onClick={() => (long.value = !long.value)}>
          {long.value
            ? 'Show fewer'
            : `Show ${all.length > LONG ? `${LONG} of ${count(all.length)}` : `all ${all.length}`}`}
        </button>
      )}
    </Section>
  );
}

function tableOf(kind: ListedKind, effects: readonly UnitEffect[]): Table {
  return {
    name: `effects-${kind}`,
    columns: ['unit', 'text', 'set to', 'predicted', 'measured', 'KL', 'share'],
    rows: () =>
      effects.map((one) => [
        ...[one.unit, one.text, one.how, one.predicted ?? '', one.measured ?? ''],
        ...[one.kl ?? '', one.share ?? ''],
      ]),
  };
}

/** Kinds whose rows say which tokens they promote. */
const hasTokens = (kind: ListedKind): boolean => kind === 'head' || kind === 'neuron';

/** A head at all positions is read where the prediction is made. */
function placed(unit: string, position: number): string {
  const head = headOfUnit(unit);
  return head ? headUnit(head.layer, head.head, head.position ?? position) : unit;
}

interface RowProps {
  store: Store;
  analysis: Analysis;
  effect: UnitEffect;
  most: number;
  first: boolean;
  /** What stands beside the measured effect is a share, not a prediction. */
  shares: boolean;
  promoted?: Promoted;
}

function Row({ store, analysis, effect, most, first, shares, promoted }: RowProps) {
  const { unit, predicted, measured } = effect;
  const value = figureOf(effect)?.value ?? 0;
  const head = headOfUnit(unit);
  const name = selectionOf(unit, analysis.meta.model.parallel);
  const filter = store.headFilter.value;
  const selected = head
    ? filter?.layer === head.layer && filter.head === head.head
    : name !== null && isSelected(store.selection.value, name);
  const at = placed(unit, store.causes.known.value?.position ?? 0);
  const said = `${unitInWords(analysis, unit)}: ${effectInWords(effect, shares ? 'share' : 'predicted')}`;
  const label = [said, promoted?.words(at)].filter(Boolean).join(', ');
  const hover = (shown: boolean) => () => void (store.hover.value = shown ? name : null);
  return (
    <li>
      <button
        type="button"
        tabIndex={first ? 0 : -1}
        class={`route effect-row${selected ? ' selected' : ''}`}
        data-unit={unit}
        data-name={name ?? undefined}
        title={head ? `${label}. Click to show only its edges` : label}
        aria-pressed={selected}
        onClick={() => {
          if (head) store.headFilter.value = selected ? null : { layer: head.layer, head: head.head };
          else store.select(name);
        }}
        onFocus={hover(true)}
        onBlur={hover(false)}
        onPointerEnter={hover(true)}
        onPointerLeave={hover(false)}
      >
        <span class="sr-only">{label}</span>
        <span class="text" aria-hidden="true">
          <span
            class={`fill ${toneOf(value)}${measured === null ? ' guessed' : ''}`}
            style={{ width: `${(Math.abs(value) / most) * 100}%` }}
          />
          <span class="words">
            <UnitWords analysis={analysis} unit={unit} />
            {promoted && <Says texts={promoted.texts(at)} />}
          </span>
        </span>
        <span class={`number guess${measured === null ? ' only' : ''}`} aria-hidden="true">
          {predicted === null ? '' : effectNumber(predicted)}
        </span>
        <span class="number truth" aria-hidden="true">
          {measured === null ? '' : effectNumber(measured)}
        </span>
      </button>
    </li>
  );
}

/** A head of an edge is not the edge; otherwise what is inside of a selection belongs to it. */
function isSelected(selection: string | null, name: string): boolean {
  if (selection === null) return false;
  return detailOf(name) === null && expertOf(name) === null ? baseOf(selection) === name : selection === name;
}
