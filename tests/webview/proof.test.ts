// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest';
import type { Proof } from '../../extension/shared/protocol';
import type { SyntheticOptions } from '../../webview/dev/synthetic';
import { errorPlace, proofScale } from '../../webview/src/controls/proofScale';
import { analysisMessage } from './host';
import type { FakeHost } from './host';
import { useMounted } from './mounted';
import { settled } from './panelDom';

const find = (id: string): HTMLElement | null => document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('.proof-row')];

describe('the proof by layer', () => {
  let host: FakeHost;
  const show = async (options: Partial<SyntheticOptions> = {}): Promise<void> => {
    host.say(analysisMessage(options));
    await settled();
  };
  const open = async (): Promise<void> => {
    find('proof')?.click();
    await vi.waitFor(() => expect(document.activeElement?.classList.contains('proof-row')).toBe(true));
  };
  useMounted((made) => (host = made));

  it('opens from the tick, the last layer first, and closes with Escape', async () => {
    await show();
    expect(find('proof-layers')).toBeNull();
    await open();
    expect(rows().map((row) => row.dataset['layer'])).toEqual(['3', '2', '1', '0']);
    expect(rows()[0]?.title).toMatch(/^layer 3: attention 4e-7, feed-forward \d+e-8, whole layer 4e-7$/);
    // the worst layer is where the keyboard is
    expect(document.activeElement).toBe(rows()[0]);
    rows()[0]?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
    await vi.waitFor(() => expect(find('proof-layers')).toBeNull());
    expect(document.activeElement).toBe(find('proof'));
  });

  it('leads to a layer', async () => {
    await show();
    await open();
    rows()[2]?.click();
    await vi.waitFor(() => expect(find('proof-layers')).toBeNull());
    expect(find('inspector')?.dataset['selection']).toBe('I1_7');
  });

  it('names layer, sublayer and size when it does not hold, and leads there', async () => {
    await show({ proofHolds: false });
    const warning = find('proof-warning');
    expect(warning?.textContent).toContain('the attention of layer 3 is off by 3e-1 of its norm (tolerance 1e-4)');
    warning?.querySelector('button')?.click();
    await vi.waitFor(() => expect(find('inspector')?.dataset['selection']).toBe('I3_7'));
    await open();
    expect(rows().map((row) => row.classList.contains('off'))).toEqual([true, false, false, false]);
  });

  it('has one mark a layer in parallel blocks', async () => {
    await show({ parallel: true });
    await open();
    expect(rows()[0]?.querySelectorAll('.mark').length).toBe(1);
  });
});

describe('its scale', () => {
  const proof = (perLayer: number[], tolerance = 1e-4): Proof => ({
    perLayer, tolerance, attention: [], ffn: [], whole: perLayer, maxRelativeError: 0, worstLayer: 0, holds: true,
    worstPart: 'layer',
  }); // prettier-ignore

  it('is logarithmic and has room on both sides of the tolerance', () => {
    const scale = proofScale(proof([1e-7, 3e-7]));
    expect(scale).toEqual({ low: -7, high: -3 });
    expect(errorPlace(scale, 1e-4)).toBeCloseTo(0.75);
    expect(errorPlace(scale, 1e-7)).toBeCloseTo(0);
    expect(proofScale(proof([0.31]))).toEqual({ low: -5, high: 0 });
  });

  it('holds nothing, overflows and exact sums', () => {
    const scale = proofScale(proof([0, NaN, Infinity]));
    expect(scale).toEqual({ low: -5, high: -3 });
    expect([0, NaN, Infinity].map((error) => errorPlace(scale, error))).toEqual([0, 1, 1]);
  });
});
