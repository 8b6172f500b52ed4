/** Exports of the view. The backend writes every file; only pixels are made here, of its SVG. */
import { signal } from '@preact/signals';
import type { Appearance, EffectsResult, ExportFormat, ExportParams } from '../../../extension/shared/protocol';
import { SHARED } from '../../../extension/shared/webview';
import type { SaveFormat } from '../../../extension/shared/webview';
import { asResult } from '../effects/known';
import type { Host } from '../hosts/host';
import { createFigure } from './figure';
import { bytesAsBase64, pngOf } from './png';
import type { Store } from './state';

/** Files that are data; figures have a preview. */
export const EXPORTS: { format: SaveFormat; label: string; hint: string }[] = [
  { format: 'csv', label: 'CSV', hint: 'the kept edges' },
  { format: 'json', label: 'JSON', hint: 'nodes, edges and numbers' },
  ...SHARED.flatMap(({ format, label, hint }) => (format ? [{ format, label, hint }] : [])),
];

const SAID_MS = 6000;
const ENDINGS: Partial<Record<SaveFormat, string>> = { attribution: 'attribution.json' };

export type Exporter = ReturnType<typeof createExporter>;

export function createExporter(store: Store, host: Host, rasterize = pngOf) {
  /** Why there is no file, or what became of it; gone after a while. */
  const said = signal<string | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;

  function say(sentence: string | null): void {
    clearTimeout(timer);
    said.value = sentence;
    if (sentence !== null) timer = setTimeout(() => (said.value = null), SAID_MS);
  }

  /** What is shown, as the backend is asked for it. */
  function shown(format: ExportFormat): ExportParams {
    return {
      runId: store.analysis.value?.meta.runId ?? '',
      format,
      target: store.target.value,
      threshold: store.tau.value,
      renormalize: store.renormalize.value,
      ink: store.ink.value,
      effects: knownEffects(store),
    };
  }

  const figure = createFigure(store, host, shown);

  /** Whether there is a file. Never rejects: what goes wrong is said. */
  async function run(format: SaveFormat, appearance?: Appearance): Promise<boolean> {
    if (!store.analysis.value) return false;
    if (format === 'html') {
      host.tell({ type: 'savePage' });
      return true;
    }
    const name = fileName(store.title.value, store.target.value, format);
    // a command names its colours; the preview has its own
    const look = appearance ? { appearance } : figure.params();
    try {
      if (format === 'png') {
        const { text } = await host.ask({ method: EXPORT, params: { ...shown('svg'), ...look } });
        host.tell({ type: 'save', name, content: bytesAsBase64(await rasterize(text)), encoding: 'base64' });
      } else {
        const isFigure = format === 'svg' || format === 'pdf';
        const params = { ...shown(format), ...(isFigure && look) };
        const { text, encoding } = await host.ask({ method: EXPORT, params });
        host.tell({ type: 'save', name, content: text, encoding });
      }
      say(null);
      return true;
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** The figure of the preview on the clipboard, as a picture. */
  async function copyPicture(): Promise<void> {
    try {
      const { text } = await host.ask({ method: EXPORT, params: { ...shown('svg'), ...figure.params() } });
      const picture = new Blob([await rasterize(text)], { type: 'image/png' });
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': picture })]);
      say('Copied.');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      say(`The picture could not be copied: ${reason} Save it as PNG instead.`);
    }
  }

  return { run, copyPicture, said, figure };
}

const EXPORT = 'lmTransparency/export';

/** What is known of the effects on what is asked about; the drawing's faithfulness only if it is of this drawing. */
function knownEffects({ causes, target }: Store): EffectsResult | null {
  const known = causes.known.value;
  if (known?.position !== target.value) return null;
  return { ...asResult(known, causes.phase.value.kind === 'done'), faithfulness: causes.faithfulness.value };
}

/** "ioi.prompt", 14, svg → "ioi-token-14.svg" */
export function fileName(title: string, target: number, format: SaveFormat): string {
  const stem = title
    .replace(/\.[a-z]{1,8}$/i, '')
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  return `${stem || 'routes'}-token-${target}.${ENDINGS[format] ?? format}`;
}
