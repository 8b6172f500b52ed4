// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { refusedLens } from '../../webview/dev/refused';
import type { FakeHost } from './host';
import { analysisMessage } from './host';
import { useMounted } from './mounted';
import { all, click, find, maybe, settled, text } from './panelDom';

const REFUSAL = {
  type: 'failure' as const,
  message: 'It cannot be analyzed.',
  remedy: 'Choose another model.',
  actions: [{ action: 'dismiss' as const, label: 'Back to the Graph' }],
};

describe('a refused model', () => {
  let host: FakeHost;
  useMounted((mounted) => (host = mounted));

  it('says why at once, also in place of a graph, and that its lens is being read', async () => {
    host.say(analysisMessage());
    await settled();
    host.say({ ...REFUSAL, lens: 'Reading its logit lens' });
    await settled();
    expect(find('panel').dataset['state']).toBe('failure');
    expect(document.querySelector('[role=alert]')?.textContent).toContain('It cannot be analyzed.');
    expect(document.querySelector('.reading')?.textContent).toContain('Reading its logit lens');
    await click(document.querySelector<HTMLElement>('.buttons button'));
    expect(host.told.at(-1)).toEqual({ type: 'action', action: 'dismiss' });
  });

  it('shows the tokens of each layer, the last on top, and five of the cell under the pointer', async () => {
    host.say({ ...REFUSAL, lens: refusedLens() });
    await settled();
    const rows = all('[data-testid=refused-lens] tbody tr');
    expect(rows.map((row) => row.querySelector('th')?.textContent)).toEqual([
      ...Array.from({ length: 24 }, (_, index) => String(23 - index)),
      'emb',
    ]);
    expect(all('[data-testid=refused-lens] tfoot th').map((cell) => cell.textContent)).toContain('·Mary');
    expect(text('refused-readout')).toMatch(/^·a layer 23: .* \d+%/);
    rows[24]?.querySelector('td')?.dispatchEvent(new MouseEvent('mouseenter'));
    await settled();
    expect(text('refused-readout')).toMatch(/^When embedding: /);
    expect(find('refused-readout').querySelectorAll('.guess')).toHaveLength(5);
  });

  it('is a plain failure where it has no lens, or one that cannot be read', async () => {
    host.say(REFUSAL);
    await settled();
    expect(maybe('refused-lens')).toBeNull();
    host.say({ ...REFUSAL, lens: { ...refusedLens(), tokens: ['one'] } });
    await settled();
    expect(document.querySelector('.state')?.textContent).toContain('where 25×1×5 was expected');
  });
});
