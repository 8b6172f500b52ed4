/** Export: the preview of a figure with its files, and beside it Share. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { SHARED } from '../../../extension/shared/webview';
import type { Exporter } from '../store/exporter';
import type { Host } from '../hosts/host';
import { useInside } from '../layout/inside';
import { usePopup } from './popup';
import { roving } from './roving';

interface Props {
  exporter: Exporter;
  host: Host;
}

export function ExportMenu({ exporter, host }: Props) {
  const { figure } = exporter;
  const button = useRef<HTMLButtonElement>(null);
  const isOpen = figure.open.value;
  const wasOpen = useRef(false);
  useLayoutEffect(() => {
    // back from the preview
    if (wasOpen.current && !isOpen) button.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);
  return (
    <>
      <button
        ref={button}
        type="button"
        tabIndex={-1}
        class={`quiet${isOpen ? ' on' : ''}`}
        data-testid="export"
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        onClick={() => (isOpen ? (figure.open.value = false) : figure.show())}
      >
        Export
      </button>
      <Share exporter={exporter} host={host} />
      {!isOpen && <Said exporter={exporter} />}
    </>
  );
}

function Share({ exporter, host }: Props) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLSpanElement>();
  const isOpen = open.value;
  useLayoutEffect(() => {
    if (isOpen) popup.current?.querySelector<HTMLElement>('button')?.focus();
  }, [isOpen, popup]);
  // what the editor does is not offered without one
  const items = SHARED.filter(({ action }) => host.inEditor || !action).map((item) => ({
    ...item,
    act: () => (item.action ? host.tell({ type: 'action', action: item.action }) : void exporter.run(item.format)),
  }));
  return (
    <span ref={anchor} class="menu-anchor share" onKeyDown={onKeyDown}>
      <button
        type="button"
        tabIndex={-1}
        class={`quiet${isOpen ? ' on' : ''}`}
        data-testid="share"
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => (open.value = !isOpen)}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown') return;
          event.preventDefault();
          event.stopPropagation();
          open.value = true;
        }}
      >
        Share
      </button>
      {isOpen && (
        <span ref={popup} class="menu" role="menu" aria-label="Share" onKeyDown={roving}>
          {items.map(({ id, label, hint, act }, index) => (
            <button
              key={id}
              type="button"
              role="menuitem"
              tabIndex={index === 0 ? 0 : -1}
              data-testid={`share-${id}`}
              onClick={() => {
                open.value = false;
                anchor.current?.querySelector<HTMLElement>('[aria-expanded]')?.focus();
                act();
              }}
            >
              {label} <span class="dim">{hint}</span>
            </button>
          ))}
        </span>
      )}
    </span>
  );
}

function Said({ exporter }: { exporter: Exporter }) {
  const notice = useRef<HTMLSpanElement>(null);
  const said = exporter.said.value;
  useInside(notice, said !== null);
  if (said === null) return null;
  return (
    <span class="menu-anchor">
      <span ref={notice} class="menu said" role="status" data-testid="export-said">
        {said}
      </span>
    </span>
  );
}
