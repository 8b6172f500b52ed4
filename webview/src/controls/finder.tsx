/** `/`: finds a token and takes the keyboard there. */
import { useEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { GraphView } from '../graph/view';
import { nodeName, nodeRef, parseNode } from '../names';
import type { Store } from '../state';

interface Props {
  store: Store;
  view: GraphView;
  open: Signal<boolean>;
  onClose: () => void;
}

/** Positions whose token holds the text; small letters match capital ones. */
export function findTokens(texts: readonly string[], wanted: string): number[] {
  if (wanted === '') return [];
  const plain = wanted.toLowerCase().replaceAll('·', ' ');
  return texts.flatMap((text, position) => (text.toLowerCase().includes(plain) ? [position] : []));
}

export function Finder({ store, view, open, onClose }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const wanted = useSignal('');
  const index = useSignal(0);
  useEffect(() => input.current?.select(), [open.value]);
  if (!open.value) return null;

  const texts = store.analysis.value?.meta.tokens.map((token) => token.text) ?? [];
  const found = findTokens(texts, wanted.value);
  const at = found.length ? ((index.value % found.length) + found.length) % found.length : 0;

  const go = (to: number): void => {
    index.value = to;
    const position = found[((to % found.length) + found.length) % found.length];
    if (position === undefined) return;
    const caret = parseNode(store.caret.value ?? '') ?? nodeRef('I', -1, position);
    const name = nodeName({ ...caret, position });
    store.caret.value = name;
    store.hover.value = name;
    view.reveal(name);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') go(index.value + (event.shiftKey ? -1 : 1));
    else if (event.key === 'ArrowDown') go(index.value + 1);
    else if (event.key === 'ArrowUp') go(index.value - 1);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const close = (): void => {
    store.hover.value = null;
    open.value = false;
    onClose();
  };

  return (
    <div class="finder" role="search">
      <input
        ref={input}
        type="text"
        data-testid="finder"
        placeholder="Find token"
        aria-label="Find token"
        spellcheck={false}
        value={wanted.value}
        onInput={(event) => {
          wanted.value = event.currentTarget.value;
          index.value = -1;
        }}
        onKeyDown={onKeyDown}
      />
      <span class="dim">
        {wanted.value === '' ? '' : found.length ? `${Math.max(0, at) + 1} of ${found.length}` : 'none'}
      </span>
      <button type="button" class="icon" aria-label="Close" onClick={close}>
        ×
      </button>
    </div>
  );
}
