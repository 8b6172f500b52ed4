/** What is shown, as a file. */
import { useEffect, useRef } from 'preact/hooks';
import { EXPORTS } from '../export';
import type { Exporter } from '../export';
import { usePopup } from './popup';
import { roving } from './roving';

export function ExportMenu({ exporter }: { exporter: Exporter }) {
  const { open, anchor, onKeyDown } = usePopup();
  const menu = useRef<HTMLSpanElement>(null);
  const said = exporter.said.value;
  const isOpen = open.value;
  useEffect(() => {
    if (isOpen) menu.current?.querySelector<HTMLElement>('button')?.focus();
  }, [isOpen]);
  return (
    <span ref={anchor} class="menu-anchor" onKeyDown={onKeyDown}>
      <button
        type="button"
        tabIndex={-1}
        class={`quiet${isOpen ? ' on' : ''}`}
        data-testid="export"
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
        Export
      </button>
      {isOpen && (
        <span ref={menu} class="menu" role="menu" aria-label="Export" onKeyDown={roving}>
          {EXPORTS.map(({ format, label, hint }, index) => (
            <button
              key={format}
              type="button"
              role="menuitem"
              tabIndex={index === 0 ? 0 : -1}
              data-testid={`export-${format}`}
              onClick={() => {
                open.value = false;
                anchor.current?.querySelector<HTMLElement>('[aria-expanded]')?.focus();
                void exporter.run(format);
              }}
            >
              {label} <span class="dim">{hint}</span>
            </button>
          ))}
        </span>
      )}
      {said !== null && (
        <span class="menu said" role="status" data-testid="export-said">
          {said}
        </span>
      )}
    </span>
  );
}
