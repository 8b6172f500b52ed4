/** The preview of a figure: how it will look on paper, what can be chosen, and the files it is saved as. */
import { SHARED } from '../../../extension/shared/webview';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Signal } from '@preact/signals';
import type { Appearance, FigureView } from '../../../extension/shared/protocol';
import type { SaveFormat } from '../../../extension/shared/webview';
import type { Host } from '../hosts/host';
import { EXPORTS } from '../store/exporter';
import type { Exporter } from '../store/exporter';
import { ONE_COLUMN, TWO_COLUMNS, WIDTHS } from '../store/figure';
import type { Figure } from '../store/figure';
import { asAddress, DPI, sizeOf } from '../store/png';

const VIEWS: { view: FigureView; label: string }[] = [
  { view: 'routes', label: 'Routes' },
  { view: 'lens', label: 'Lens' },
  { view: 'heads', label: 'Heads' },
  { view: 'map', label: 'Attention map' },
  { view: 'chart', label: 'Tokens through the layers' },
];
const APPEARANCES: Appearance[] = ['light', 'dark', 'transparent'];
const FIGURES: { format: SaveFormat; label: string; hint: string }[] = [
  { format: 'svg', label: 'SVG', hint: 'text can be edited' },
  { format: 'pdf', label: 'PDF', hint: 'fonts are inside' },
  { format: 'png', label: 'PNG', hint: `${DPI} dpi` },
];

interface FileProps {
  id: string;
  label: string;
  hint: string;
  choose: () => void;
}

function File({ id, label, hint, choose }: FileProps) {
  return (
    <button type="button" class="file" data-testid={id} onClick={choose}>
      {label} <span class="dim">{hint}</span>
    </button>
  );
}

export function FigurePreview({ exporter, host }: { exporter: Exporter; host: Host }) {
  const { figure } = exporter;
  const dialog = useRef<HTMLDivElement>(null);
  useEffect(() => figure.live(), [figure]);
  useLayoutEffect(() => dialog.current?.querySelector<HTMLElement>('[data-testid="export-svg"]')?.focus(), []);
  const close = (): void => {
    figure.open.value = false;
  };
  // what went wrong is said here
  const save = async (format: SaveFormat): Promise<void> => {
    if (await exporter.run(format)) close();
  };
  return (
    <div
      ref={dialog}
      class="figure-preview"
      role="dialog"
      aria-modal="true"
      aria-label="Export"
      data-testid="figure"
      onKeyDown={(event) => {
        // the graph's keys mean nothing here
        event.stopPropagation();
        if (event.key === 'Escape') close();
        else if (event.key === 'Tab') keepInside(event, dialog.current);
      }}
    >
      <Paper figure={figure} />
      <div class="figure-options">
        <Choices figure={figure} />
        <div class="figure-files" role="group" aria-label="Save the figure">
          {FIGURES.map(({ format, label, hint }) => (
            <File key={format} id={`export-${format}`} label={label} hint={hint} choose={() => void save(format)} />
          ))}
          <File id="export-copy" label="Copy" hint="as a picture" choose={() => void exporter.copyPicture()} />
        </div>
        <h3>Data</h3>
        <div class="figure-files" role="group" aria-label="Save the data">
          {EXPORTS.map(({ format, label, hint }) => (
            <File key={format} id={`export-${format}`} label={label} hint={hint} choose={() => void save(format)} />
          ))}
        </div>
        {host.inEditor && (
          <>
            <h3>Share</h3>
            <div class="figure-files" role="group" aria-label="Share">
              {SHARED.map(
                ({ id, action, label, hint }) =>
                  action && (
                    <File
                      key={id}
                      id={`figure-share-${id}`}
                      label={label}
                      hint={hint}
                      choose={() => {
                        host.tell({ type: 'action', action });
                        close();
                      }}
                    />
                  ),
              )}
            </div>
          </>
        )}
        <p class="said" role="status" data-testid="export-said">
          {exporter.said.value}
        </p>
        <button type="button" class="close" data-testid="figure-close" onClick={close}>
          Close
        </button>
      </div>
    </div>
  );
}

function Paper({ figure }: { figure: Figure }) {
  const preview = figure.preview.value;
  const svg = preview.kind === 'drawn' || preview.kind === 'waiting' ? preview.svg : null;
  const transparent = figure.appearance.value === 'transparent';
  const size = svg === null ? null : sizeOf(svg);
  return (
    <div class="figure-paper" data-testid="figure-paper" aria-busy={preview.kind === 'waiting'}>
      {svg !== null && (
        <img
          class={transparent ? 'clear' : ''}
          src={asAddress(svg)}
          alt={/<title>([^<]*)<\/title>/.exec(svg)?.[1] ?? 'The figure'}
          data-testid="figure-picture"
        />
      )}
      <p class="dim" role="status">
        {preview.kind === 'failed' && <span data-testid="figure-failed">{preview.message}</span>}
        {preview.kind === 'waiting' && svg === null && preview.message}
        {size && `${size[0].toFixed(0)} × ${size[1].toFixed(0)} mm`}
      </p>
    </div>
  );
}

function Choices({ figure }: { figure: Figure }) {
  const { view, appearance, width, place } = figure;
  const at = place.value;
  const views = VIEWS.filter((one) => one.view !== 'map' || at !== null);
  return (
    <>
      <label class="row">
        <span>Figure</span>
        <select
          data-testid="figure-view"
          value={view.value}
          onChange={(event) => (view.value = event.currentTarget.value as FigureView)}
        >
          {views.map((one) => (
            <option key={one.view} value={one.view}>
              {one.view === 'map' && at
                ? `${one.label}, L${at.layer}${at.head === null ? '' : ` H${at.head}`}`
                : one.label}
            </option>
          ))}
        </select>
      </label>
      <Radios
        name="Theme"
        options={APPEARANCES.map((value) => ({ value, label: value }))}
        chosen={appearance.value}
        choose={(value) => (appearance.value = value)}
      />
      <Radios
        name="Width"
        options={[
          { value: ONE_COLUMN, label: '1 column' },
          { value: TWO_COLUMNS, label: '2 columns' },
          { value: null, label: 'as needed' },
        ]}
        chosen={width.value}
        choose={(value) => (width.value = value)}
      />
      <label class="row">
        <span>Millimetres</span>
        <input
          type="number"
          data-testid="figure-width"
          min={WIDTHS.least}
          max={WIDTHS.most}
          value={width.value ?? ''}
          placeholder="as needed"
          onChange={(event) => (width.value = widthOf(event.currentTarget.value))}
        />
      </label>
      {(view.value === 'routes' || view.value === 'heads' || view.value === 'lens') && <Threshold figure={figure} />}
      {(view.value === 'routes' || view.value === 'lens') && (
        <Check id="kept" label="only columns that carry something" value={figure.kept} />
      )}
      <Check id="caption" label="caption: model, prompt, method, version" value={figure.caption} />
    </>
  );
}

/** Null for an empty field; otherwise as near as can be drawn. */
function widthOf(given: string): number | null {
  const number = Number.parseFloat(given);
  return Number.isFinite(number) ? Math.min(WIDTHS.most, Math.max(WIDTHS.least, number)) : null;
}

const LEAST_THRESHOLD = 0.005;
const MOST_THRESHOLD = 0.5;

function Threshold({ figure }: { figure: Figure }) {
  const { threshold, shownThreshold } = figure;
  const value = threshold.value ?? shownThreshold.value;
  return (
    <label class="row">
      <span>Threshold</span>
      <input
        type="range"
        data-testid="figure-threshold"
        min={Math.log(LEAST_THRESHOLD)}
        max={Math.log(MOST_THRESHOLD)}
        step="any"
        value={Math.log(value)}
        aria-valuetext={value.toFixed(3)}
        onInput={(event) => (threshold.value = Math.exp(event.currentTarget.valueAsNumber))}
      />
      <output>{value.toFixed(3)}</output>
    </label>
  );
}

interface RadiosProps<T> {
  name: string;
  options: { value: T; label: string }[];
  chosen: T;
  choose: (value: T) => void;
}

function Radios<T extends string | number | null>({ name, options, chosen, choose }: RadiosProps<T>) {
  return (
    <div class="row" role="radiogroup" aria-label={name}>
      <span>{name}</span>
      {options.map(({ value, label }) => (
        <button
          key={label}
          type="button"
          role="radio"
          class={`quiet${value === chosen ? ' on' : ''}`}
          aria-checked={value === chosen}
          data-testid={`figure-${label.replaceAll(' ', '-')}`}
          onClick={() => choose(value)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

function Check({ id, label, value }: { id: string; label: string; value: Signal<boolean> }) {
  return (
    <label class="row check">
      <input
        type="checkbox"
        data-testid={`figure-${id}`}
        checked={value.value}
        onChange={(event) => (value.value = event.currentTarget.checked)}
      />
      {label}
    </label>
  );
}

/** Tab goes round within the dialog. */
function keepInside(event: KeyboardEvent, dialog: HTMLElement | null): void {
  const reached = [...(dialog?.querySelectorAll<HTMLElement>('button, input, select') ?? [])];
  const [first, last] = [reached[0], reached.at(-1)];
  const from = event.shiftKey ? first : last;
  if (document.activeElement !== from) return;
  event.preventDefault();
  (event.shiftKey ? last : first)?.focus();
}
