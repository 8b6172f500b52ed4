/** A word that one looks for: the token it is, and where over all layers and positions it is strongest. */
import { useEffect } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import { Waiting } from '../controls/waiting';
import { useToken } from '../inspectors/named';
import type { Store } from '../store/state';
import { namesOf, outputText } from '../words/answer';
import { labelAt, tokenClass } from '../words/describe';
import { parseNode } from '../words/names';
import { count } from '../words/words';
import { cellName } from './lensCells';
import type { LensCells } from './lensCells';
import type { Followed, LensState } from './lensState';

/** Positions that are listed. */
const MOST = 6;

export interface StrongCell {
  name: string;
  /** 0 is the first. */
  rank: number;
}

/** The best cell of each position for the followed token, the best first; none while some rows are not known. */
export function strongestCells(cells: LensCells, token: number): StrongCell[] {
  const { followed, nRows, nTokens, firstRow } = cells;
  if (followed?.token !== token || firstRow > 0) return [];
  const best = Array.from({ length: nTokens }, (_, position) => {
    let at = position;
    for (let cell = position; cell < nRows * nTokens; cell += nTokens) if (isBetter(cell, at)) at = cell;
    return at;
  });
  function isBetter(one: number, other: number): boolean {
    const [rank, before] = [followed?.rank[one] ?? Infinity, followed?.rank[other] ?? Infinity];
    return rank === before ? (followed?.probability[one] ?? 0) > (followed?.probability[other] ?? 0) : rank < before;
  }
  return best
    .sort((one, other) => (isBetter(one, other) ? -1 : 1))
    .slice(0, MOST)
    .map((at) => ({ name: cellName(Math.floor(at / nTokens), at % nTokens), rank: followed.rank[at] ?? 0 }));
}

interface ListProps {
  store: Store;
  looked: Followed;
  cells: readonly StrongCell[];
}

/** The strongest places; a click selects one. */
export function Strongest({ store, looked, cells }: ListProps) {
  const analysis = store.analysis.value;
  if (!analysis) return null;
  return (
    <p class="strongest" data-testid="strongest">
      <span class="dim">
        <bdi class="token">{outputText(analysis.meta.model, looked.text)}</bdi> is strongest at
      </span>
      {cells.map(({ name, rank }) => {
        const node = parseNode(name);
        if (!node) return null;
        return (
          <button
            key={name}
            type="button"
            class={`quiet small${store.selection.value === name ? ' on' : ''}`}
            data-cell={name}
            title={`Select the state ${name}`}
            onClick={() => store.select(name)}
            onPointerEnter={() => (store.hover.value = name)}
            onPointerLeave={() => (store.hover.value = null)}
          >
            <bdi class={tokenClass(analysis, node.position)}>{labelAt(analysis, node.position)}</bdi>{' '}
            {node.letter === 'X' ? 'embedding' : `layer ${node.layer}`}, rank {count(rank + 1)}
          </button>
        );
      })}
    </p>
  );
}

/** A box for the word. Inside a sentence it has a space before it, so that is what is tried first. */
export function FindWord({ store, lens }: { store: Store; lens: LensState }) {
  const entered = useSignal('');
  const { one } = namesOf(store.analysis.value?.meta.model);
  const typed = entered.value;
  const spaced = /^[\s#]/.test(typed) ? typed : ` ${typed}`;
  const first = useToken(store, typed === '' ? null : spaced);
  const isBare = first.reply?.state === 'failed' && spaced !== typed;
  const second = useToken(store, isBare ? typed : null);
  const { reply, token: found } = isBare ? second : first;
  useEffect(() => {
    if (found) lens.look({ id: found.token, text: found.text });
  }, [lens, found]);
  return (
    <span class="find-word">
      <input
        type="search"
        data-testid="find-word"
        placeholder={`find a ${one === 'token' ? 'word' : one}`}
        aria-label={`Find a ${one}: where over all layers and positions is it strongest?`}
        title={`Type a ${one} and press Enter: the grid and the charts follow it, and its strongest places are listed. Empty: back to the prediction`}
        spellcheck={false}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          entered.value = event.currentTarget.value;
          if (entered.value === '') lens.look(null);
        }}
        onInput={(event) => {
          if (event.currentTarget.value !== '') return;
          entered.value = '';
          lens.look(null);
        }}
      />
      <Waiting reply={reply?.state === 'failed' ? reply : null} what="The word" />
    </span>
  );
}
