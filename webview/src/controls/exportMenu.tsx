/** What is shown, as a file. */
import { useEffect, useRef } from 'preact/hooks';
import type { Appearance } from '../../../extension/shared/protocol';
import { EXPORTS } from '../store/exporter';
import type { Exporter } from '../store/exporter';
import { useInside } from '../layout/inside';
import { usePopup } from './popup';
import { roving } from './roving';

const APPEARANCES: Appearance[] = ['light', 'dark'];

export function ExportMenu({ exporter }: { exporter: Exporter }) {
  const { open, anchor, popup, onKeyDown } = usePopup<HTMLSpanElement>();
  const notice = useRef<HTMLSpanElement>(null);
  const said = exporter.said.value;
  const isOpen = open.value;
  useEffect(() => {
    if (isOpen) popup.current?.querySelector<HTMLElement>('button')?.focus();
  }, [isOpen, popup]);
  useInside(notice, said !== null);
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
        <span ref={popup} class="menu" role="menu" aria-label="Export" onKeyDown={roving}>
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
          <span class="drawn" role="group" aria-label="Colours of SVG and PNG">
            <span class="dim">SVG and PNG in</span>
            {APPEARANCES.map((appearance) => (
              <button
                key={appearance}
                type="button"
                role="menuitemradio"
                tabIndex={-1}
                class={`quiet${exporter.appearance.value === appearance ? ' on' : ''}`}
                data-testid={`export-${appearance}`}
                aria-checked={exporter.appearance.value === appearance}
                onClick={() => (exporter.appearance.value = appearance)}
              >
                {appearance}
              </button>
            ))}
          </span>
        </span>
      )}
      {said !== null && (
        <span ref={notice} class="menu said" role="status" data-testid="export-said">
          {said}
        </span>
      )}
    </span>
  );
}
