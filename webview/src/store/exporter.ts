/** Exports of the view. The backend writes the graph; the picture is drawn here from its SVG. */
import { signal } from '@preact/signals';
import type { Appearance, EffectsResult, ExportFormat } from '../../../extension/shared/protocol';
import type { SaveFormat } from '../../../extension/shared/webview';
import { asResult } from '../effects/known';
import type { Host } from '../hosts/host';
import type { Store } from './state';

export const EXPORTS: { format: SaveFormat; label: string; hint: string }[] = [
  { format: 'svg', label: 'SVG', hint: 'the graph, for a figure' },
  { format: 'png', label: 'PNG', hint: 'the graph as a picture' },
  { format: 'csv', label: 'CSV', hint: 'the kept edges' },
  { format: 'json', label: 'JSON', hint: 'nodes, edges and numbers' },
  { format: 'html', label: 'HTML page', hint: 'opens without VS Code' },
];

/** Pixels of the picture for one of the SVG's. */
const PICTURE_SCALE = 2;
const SAID_MS = 6000;

export type Exporter = ReturnType<typeof createExporter>;

export function createExporter(store: Store, host: Host, rasterize = pngOf) {
  /** How pictures are drawn: for paper, until something else is chosen. */
  const appearance = signal<Appearance>('light');
  /** Why there is no file, or that one is on its way; gone after a while. */
  const said = signal<string | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;

  function say(sentence: string | null): void {
    clearTimeout(timer);
    said.value = sentence;
    if (sentence !== null) timer = setTimeout(() => (said.value = null), SAID_MS);
  }

  async function textOf(format: ExportFormat, drawn: Appearance): Promise<string> {
    const runId = store.analysis.value?.meta.runId ?? '';
    const params = {
      runId,
      format,
      target: store.target.value,
      threshold: store.tau.value,
      renormalize: store.renormalize.value,
      ink: store.ink.value,
      appearance: drawn,
      effects: knownEffects(store),
    };
    return (await host.ask({ method: 'lmTransparency/export', params })).text;
  }

  async function run(format: SaveFormat, drawn = appearance.value): Promise<void> {
    if (!store.analysis.value) return;
    if (format === 'html') {
      host.tell({ type: 'savePage' });
      return;
    }
    const name = fileName(store.title.value, store.target.value, format);
    try {
      const text = await textOf(format === 'png' ? 'svg' : format, drawn);
      if (format === 'png') host.tell({ type: 'save', name, content: await rasterize(text), encoding: 'base64' });
      else host.tell({ type: 'save', name, content: text, encoding: 'utf8' });
      say(null);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  }

  return { run, said, appearance };
}

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
  return `${stem || 'routes'}-token-${target}.${format}`;
}

/** An SVG as base64 of a PNG, twice as large. */
async function pngOf(svg: string): Promise<string> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(image.naturalWidth * PICTURE_SCALE);
  canvas.height = Math.round(image.naturalHeight * PICTURE_SCALE);
  const ctx = canvas.getContext('2d');
  if (!ctx || canvas.width === 0) throw new Error('The picture could not be drawn.');
  ctx.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/png').replace(/^data:image\/png;base64,/, '');
}
