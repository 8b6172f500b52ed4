// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ExportParams } from '../../extension/shared/protocol';
import { createExporter } from '../../webview/src/store/exporter';
import type { Exporter } from '../../webview/src/store/exporter';
import { sizeOf, withDensity } from '../../webview/src/store/png';
import type { FakeHost } from './host';
import { analysisMessage } from './host';
import type { Store } from './liveStore';
import { useLiveStore } from './liveStore';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="85.00mm" height="60.50mm" viewBox="0 0 1 1"/>';

describe('the figure', () => {
  let host: FakeHost;
  let store: Store;
  let exporter: Exporter;
  const asked = () => host.askedBy('lmTransparency/export') as ExportParams[];
  useLiveStore((...made) => ([host, store] = made));
  beforeEach(() => {
    exporter = createExporter(store, host, () => Promise.resolve(new Uint8Array([1, 2])));
    host.reply = () => Promise.resolve({ text: SVG, encoding: 'utf8' });
    host.say(analysisMessage());
  });

  it('is drawn again at each choice, once it rests, and older questions are given up', async () => {
    const { figure } = exporter;
    const stop = figure.live();
    expect(asked()).toEqual([]);
    figure.show();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked().at(-1)).toMatchObject({ format: 'svg', view: 'routes', widthMm: 178, kept: true, caption: true });
    expect(figure.preview.value).toEqual({ kind: 'drawn', svg: SVG });
    for (const threshold of [0.02, 0.03, 0.04]) figure.threshold.value = threshold;
    await vi.advanceTimersByTimeAsync(200);
    expect(
      asked()
        .map(({ threshold }) => threshold)
        .slice(1),
    ).toEqual([0.04]);
    host.reply = () => new Promise(() => undefined);
    figure.width.value = 85;
    await vi.advanceTimersByTimeAsync(200);
    expect(figure.preview.value).toMatchObject({ kind: 'waiting', svg: SVG });
    figure.open.value = false;
    expect(host.givenUp.at(-1)?.params).toMatchObject({ widthMm: 85 });
    stop();
  });

  it('says why it cannot be drawn', async () => {
    host.reply = () => Promise.reject(new Error('A figure of 5 mm cannot be drawn.'));
    const stop = exporter.figure.live();
    exporter.figure.show();
    await vi.advanceTimersByTimeAsync(1);
    expect(exporter.figure.preview.value).toEqual({ kind: 'failed', message: 'A figure of 5 mm cannot be drawn.' });
    stop();
  });

  it('is the one that is saved, a PDF as its bytes', async () => {
    exporter.figure.show();
    exporter.figure.width.value = 85;
    host.reply = () => Promise.resolve({ text: 'JVBERi0=', encoding: 'base64' });
    expect(await exporter.run('pdf')).toBe(true);
    expect(asked().at(-1)).toMatchObject({ format: 'pdf', widthMm: 85, appearance: 'light' });
    expect(host.toldOf('save').at(-1)).toEqual({
      ...{ type: 'save', name: 't-token-7.pdf', content: 'JVBERi0=', encoding: 'base64' },
    });
    host.reply = () => Promise.reject(new Error('The run has expired.'));
    expect(await exporter.run('png')).toBe(false);
    expect(host.toldOf('save')).toHaveLength(1);
  });

  it('shows the map of the head that is selected', () => {
    const { figure } = exporter;
    expect(figure.place.value).toBe(null);
    store.select('attention:I0_2>A1_5#3');
    expect(figure.place.value).toEqual({ layer: 1, head: 3 });
    figure.view.value = 'map';
    expect(figure.params()).toMatchObject({ view: 'map', layer: 1, head: 3 });
    store.select('A2_4');
    expect(figure.params()).toMatchObject({ layer: 2, head: null });
  });
});

describe('a picture', () => {
  it('says how large it is on paper', () => {
    const header = new Uint8Array(33 + 12).fill(7);
    const made = withDensity(header, 300);
    const chunk = new DataView(made.buffer, 33, 21);
    expect(chunk.getUint32(0)).toBe(9);
    expect(String.fromCharCode(...made.subarray(37, 41))).toBe('pHYs');
    // pixels in a metre
    expect([chunk.getUint32(8), chunk.getUint32(12), chunk.getUint8(16)]).toEqual([11811, 11811, 1]);
    // as other writers of this very chunk have it
    expect(chunk.getUint32(17).toString(16)).toBe('78a53f76');
    expect(made.subarray(54)).toEqual(header.subarray(33));
  });

  it('has the size of its figure', () => {
    expect(sizeOf(SVG)).toEqual([85, 60.5]);
    expect(() => sizeOf('<svg/>')).toThrow('no size');
  });
});
