/** `/`: finds a token or a layer and takes the keyboard there. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { GraphView } from '../graph/view';
import { nodeName, nodeRef, parseNode } from '../words/names';
import type { Store } from '../store/state';
import { find } from './find';
import type { Found } from './find';

interface Props {
  store: Store;
  view: GraphView;
  open: Signal<boolean>;
  onClose: () => void;
}

export function Finder({ store, view, open, onClose }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const wanted = useSignal('');
  const index = useSignal(0);
  // Before anything else can be typed.
  useLayoutEffect(() => input.current?.select(), [open.value]);
  if (!open.value) return null;

  const texts = store.analysis.value?.meta.tokens.map((token) => token.text) ?? [];
  const nLayers = store.source.value?.nLayers ?? 0;
  const found = find(texts, nLayers, wanted.value);
  const at = found.length ? ((index.value % found.length) + found.length) % found.length : 0;

  const go = (to: number): void => {
    index.value = to;
    const next = found[((to % found.length) + found.length) % found.length];
    if (next === undefined) return;
    const caret = parseNode(store.caret.value ?? '');
    const name =
      next.kind === 'layer'
        ? nodeName(nodeRef('I', next.layer, caret?.position ?? store.target.value))
        : nodeName({ ...(caret ?? nodeRef('I', -1, 0)), position: next.position });
    if (next.kind === 'token') store.showToken(next.position);
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
        placeholder="Find token or layer"
        aria-label="Find token or layer"
        spellcheck={false}
        value={wanted.value}
        onInput={(event) => {
          wanted.value = event.currentTarget.value;
          index.value = -1;
        }}
        onKeyDown={onKeyDown}
      />
      <span class="dim">
        {found.length ? `${kindOf(found[at])}${at + 1} of ${found.length}` : wanted.value === '' ? '' : 'none'}
      </span>
      <button type="button" class="icon" aria-label="Close" onClick={close}>
        ×
      </button>
    </div>
  );
}

const kindOf = (found: Found | undefined): string => (found?.kind === 'layer' ? `layer ${found.layer}, ` : '');
