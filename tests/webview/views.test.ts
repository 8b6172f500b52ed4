// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ExportParams, LensesResult } from '../../extension/shared/protocol';
import type { Method, ViewState } from '../../extension/shared/webview';
import { fileName } from '../../webview/src/store/exporter';
import { mount } from '../../webview/src/mount';
import { syntheticAnswer } from '../../webview/dev/answers';
import { sizes } from '../../webview/dev/numbers';
import { VIEWS, packedNumbers } from '../../webview/dev/views';
import { FakeHost, analysisMessage } from './host';
import { find, maybe, press, selection, settled, text } from './panelDom';

const click = async (id: string): Promise<void> => {
  find(id).click();
  await settled();
};

describe('the views', () => {
  let host: FakeHost;
  let unmount: () => void;
  const show = async (view: Partial<ViewState> | null = null): Promise<void> => {
    host.say(analysisMessage({}, view));
    await settled(150);
  };
  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    Object.assign(sizes, { nLayers: 4, nTokens: 8, nHeads: 9 });
    host = new FakeHost();
    const scores = Float32Array.from({ length: 4 * 9 * 2 }, (_, i) => (i === 2 ? 0.7 : 0.1));
    host.reply = (question) => {
      if (question.method === 'lmTransparency/headTags')
        return Promise.resolve({
          tags: ['previous', 'induction'],
          nTokens: 64,
          scores: packedNumbers(scores, [4, 9, 2]),
        });
      return question.method in VIEWS ? Promise.resolve(syntheticAnswer(question)) : new Promise(() => undefined);
    };
    unmount = mount(document.getElementById('app') as HTMLElement, host);
    await settled(20);
  });
  afterEach(() => unmount());

  it('are tabs that the arrow keys move through, remembered with the rest', async () => {
    await show();
    expect(find('view-routes').getAttribute('aria-selected')).toBe('true');
    find('view-routes').focus();
    await press('ArrowRight');
    expect(find('view-lens').getAttribute('aria-selected')).toBe('true');
    expect(document.activeElement).toBe(find('view-lens'));
    expect(maybe('graph-canvas')).toBe(null);
    expect(find('lens-grid').tagName).toBe('CANVAS');
    await press('End');
    expect(find('heads-overview').getAttribute('role')).toBe('application');
    await settled(300);
    expect(host.remembered.at(-1)?.view).toBe('heads');
  });

  it('keep selection and inspector', async () => {
    await show({ selection: 'I2_5', view: 'lens' });
    expect(find('inspector').dataset['selection']).toBe('I2_5');
    expect(text('lens-cell-readout')).toMatch(/position 5, after layer 2: .+%/);
    await click('view-heads');
    expect(find('inspector').dataset['selection']).toBe('I2_5');
  });

  it('ask for the lens only while it is shown, following the predicted token', async () => {
    host.reply = () => new Promise(() => undefined);
    await show();
    expect(host.askedBy('lmTransparency/lensGrid')).toEqual([]);
    await click('view-lens');
    expect(host.askedBy('lmTransparency/lensGrid')).toEqual([
      { runId: 'synthetic-4-8', token: 70, normalize: true, lens: 'logit', firstRow: 0, rowCount: 5 },
    ]);
    await click('view-routes');
    expect(host.givenUp.map((question) => question.method)).toContain('lmTransparency/lensGrid');
  });

  it('read the states by the lens that one chooses, where there is more than one', async () => {
    await show({ view: 'lens' });
    expect(find('lens-choice').textContent).toBe('Logit lensJacobian lens');
    await click('lens-jacobian');
    const lenses = (method: Method) => host.askedBy(method).map((asked) => (asked as { lens: string }).lens);
    expect(lenses('lmTransparency/lensGrid').at(-1)).toBe('jacobian');
    expect(lenses('lmTransparency/lensTrack').at(-1)).toBe('jacobian');
    expect(text('lens-means')).toContain('at some point, not next');
  });

  it('offer to fit a lens where the logit lens is the only one, and have it once its first round is done', async () => {
    let found: LensesResult = { names: ['logit'], sequences: 0 };
    const usual = host.reply;
    host.reply = (question, options) =>
      question.method === 'lmTransparency/lenses' ? Promise.resolve(found) : usual(question, options);
    await show({ view: 'lens' });
    expect(maybe('lens-choice')).toBeNull();
    await click('fit-lens');
    expect(host.toldOf('action')).toEqual([{ type: 'action', action: 'fitLens' }]);
    const said = '0 of 32 sequences, 5 min left';
    host.say({ type: 'fitting', fitting: { message: said, fraction: 0.1, sequences: 0 } });
    await settled();
    expect(maybe('fit-lens')).toBeNull();
    expect(text('fitting')).toContain(said);
    found = { names: ['logit', 'jacobian'], sequences: 8 };
    host.say({ type: 'fitting', fitting: { message: said, fraction: 0.3, sequences: 8 } });
    await settled();
    await click('lens-jacobian');
    expect(text('lens-means')).toContain('fitted on 8 sequences');
    const grids = () => host.askedBy('lmTransparency/lensGrid').length;
    const before = grids();
    // the next round reads differently, and the end may
    found = { ...found, sequences: 16 };
    host.say({ type: 'fitting', fitting: { message: said, fraction: 0.5, sequences: 16 } });
    await settled();
    expect(text('lens-means')).toContain('fitted on 16 sequences');
    expect(grids()).toBeGreaterThan(before);
    await click('stop-fit');
    expect(host.toldOf('action').at(-1)).toEqual({ type: 'action', action: 'stopFit' });
    host.say({ type: 'fitting', fitting: null });
    await settled();
    expect(maybe('fitting')).toBeNull();
  });

  it('find a word: follow it, and list where it is strongest; a click selects', async () => {
    const usual = host.reply;
    const track = { probability: [0, 0, 0, 0, 0], logit: [0, 0, 0, 0, 0], rank: [9, 9, 9, 9, 9] };
    host.reply = (question, options) => {
      const { texts } = question.params as { texts?: string[] };
      if (question.method !== 'lmTransparency/lensTrack' || !texts) return usual(question, options);
      // as for a word that has no token with a space before it
      if (texts[0] === ' spider') return Promise.reject(new Error('splits into two'));
      const tracks = [{ token: 321, text: texts[0] ?? '', ...track }];
      return Promise.resolve({ position: 7, tracks, notes: [], lens: 'logit' });
    };
    await show({ view: 'lens' });
    const box = find('find-word') as HTMLInputElement;
    box.value = 'spider';
    await press('Enter', box);
    await settled();
    expect(host.askedBy('lmTransparency/lensGrid').at(-1)).toMatchObject({ token: 321 });
    expect(text('follow-looked')).toBe('spider');
    const first = find('strongest').querySelector('button');
    expect(find('strongest').querySelectorAll('button')).toHaveLength(6);
    first?.click();
    await settled();
    expect(selection()).toBe(first?.dataset['cell']);
    await click('follow-target');
    expect(maybe('strongest')).toBeNull();
  });

  it('show two lenses beside each other, each read by itself', async () => {
    await show({ view: 'lens' });
    expect(maybe('lens-grid-beside')).toBeNull();
    await click('lens-beside');
    expect(find('lens-grid-beside').tagName).toBe('CANVAS');
    const titles = [...document.querySelectorAll('.titled-grid figcaption')].map((title) => title.textContent);
    expect(titles).toEqual(['Logit lens', 'Jacobian lens']);
    const lenses = host.askedBy('lmTransparency/lensGrid').map((asked) => (asked as { lens: string }).lens);
    expect(new Set(lenses)).toEqual(new Set(['logit', 'jacobian']));
    await click('lens-beside');
    expect(maybe('lens-grid-beside')).toBeNull();
  });

  it('show how far the lens has come', async () => {
    host.reply = (question, { onProgress }) => {
      if (question.method === 'lmTransparency/lensGrid') onProgress?.({ message: 'Layer 2 of 4', fraction: 0.5 });
      return new Promise(() => undefined);
    };
    await show({ view: 'lens' });
    expect(document.querySelector('.waiting-line')?.textContent).toBe('Layer 2 of 4 · 50%');
  });

  it('move through the lens grid by keyboard and open the residual state', async () => {
    await show({ view: 'lens' });
    const stage = document.querySelector('.stage') as HTMLElement;
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowDown']) await press(key, stage);
    expect(text('lens-cell-readout')).toContain('position 6, after layer 2');
    await press('Enter', stage);
    expect(find('inspector').dataset['selection']).toBe('I2_6');
  });

  it('colour the lens by what is chosen, and say what the colours mean', async () => {
    await show({ view: 'lens' });
    const button = find('lens-colour').querySelector<HTMLElement>('[data-colour=rank]');
    button?.click();
    await settled();
    expect(button?.getAttribute('aria-pressed')).toBe('true');
    expect(document.querySelector('.scale')?.getAttribute('aria-label')).toBe(
      'Colour scale: rank, log scale from ≥10k to 1',
    );
  });

  it('follow the target, and a rival beside it, over the layers', async () => {
    await show({ view: 'lens' });
    const slider = find('lens-chart').querySelector('[role=slider]') as HTMLElement;
    expect(slider.getAttribute('aria-valuenow')).toBe('4');
    await press('Home', slider);
    expect(slider.getAttribute('aria-valuetext')).toMatch(/^embedding: ' Mary' .+, rank [\d,]+$/);
    const rival = find('rival') as HTMLSelectElement;
    rival.value = rival.options[2]?.value ?? '';
    rival.dispatchEvent(new Event('change', { bubbles: true }));
    await settled();
    expect(find('lens-chart').querySelectorAll('.readout .track')).toHaveLength(2);
    await click('follow-rival');
    const asked = host.askedBy('lmTransparency/lensGrid') as { token: number }[];
    expect(asked.at(-1)?.token).toBe(Number(rival.value));
  });

  it('tell what heads do, and filter the routes to one of them', async () => {
    await show({ view: 'heads' });
    expect(text('head-tags')).toContain('P previous token');
    const grid = find('heads-overview');
    // to layer 0, head 1, which looks at the token before
    for (let i = 0; i < 10; i++) await press('ArrowLeft', grid);
    for (let i = 0; i < 5; i++) await press('ArrowDown', grid);
    await press('ArrowRight', grid);
    await press('Enter', grid);
    expect(text('head-filter')).toBe('L0 H1 ×');
    expect(text('head-detail')).toContain('previous token0.70');
    const edge = find('head-detail').querySelector<HTMLElement>('button.route');
    edge?.click();
    await settled();
    expect(find('inspector').dataset['selection']).toMatch(/^attention:X0_\d>A0_\d#1$/);
    await click('view-routes');
    await click('head-filter');
    expect(maybe('head-filter')).toBe(null);
  });

  it('open the model from its name, and tell the editor to show heat', async () => {
    await show();
    await click('model');
    expect(find('inspector').dataset['selection']).toBe('model');
    await click('heat');
    const heat = host.toldOf('heat').at(-1);
    expect(heat?.masses).toHaveLength(8);
    await click('heat');
    expect(host.toldOf('heat').at(-1)?.masses).toBe(null);
  });

  it('save what is shown, from the preview and from the editor’s command', async () => {
    await show({ threshold: 0.05 });
    await click('export');
    expect(document.activeElement).toBe(find('export-svg'));
    await click('export-csv');
    expect(host.askedBy('lmTransparency/export').at(-1)).toMatchObject({
      format: 'csv', target: 7, threshold: 0.05, renormalize: true, ink: 'flow',
    }); // prettier-ignore
    expect(host.toldOf('save').at(-1)).toMatchObject({ name: 't-token-7.csv', encoding: 'utf8' });
    expect(maybe('figure')).toBe(null);
    expect(document.activeElement).toBe(find('export'));
    host.say({ type: 'export', format: 'html', appearance: 'light' });
    await settled();
    expect(host.toldOf('savePage')).toHaveLength(1);
    host.say({ type: 'export', format: 'figure', appearance: 'light' });
    await settled();
    find('figure');
  });

  it('draw figures for paper in a dark editor, and as a command names them', async () => {
    document.body.classList.add('vscode-dark');
    const drawn = () => host.askedBy('lmTransparency/export').map((params) => (params as ExportParams).appearance);
    await show();
    await click('export');
    await click('figure-dark');
    await click('export-svg');
    expect(new Set(drawn().slice(0, 1))).toEqual(new Set(['light']));
    expect(drawn().at(-1)).toBe('dark');
    host.say({ type: 'export', format: 'svg', appearance: 'light' });
    await settled();
    expect(drawn().at(-1)).toBe('light');
    document.body.classList.remove('vscode-dark');
  });

  it('share what is shown, where the editor can', async () => {
    await show();
    await click('share');
    expect(document.activeElement).toBe(find('share-run'));
    await click('share-link');
    await click('share');
    await click('share-attribution');
    expect(host.toldOf('action').map(({ action }) => action)).toEqual(['copyPromptLink']);
    expect(host.toldOf('save').at(-1)?.name).toBe('t-token-7.attribution.json');
  });

  it('say why nothing could be saved', async () => {
    await show();
    host.reply = () => Promise.reject(new Error('The run has expired.'));
    await click('export');
    await click('export-json');
    expect(text('export-said')).toBe('The run has expired.');
    expect(text('figure-failed')).toBe('The run has expired.');
    expect(host.toldOf('save')).toEqual([]);
  });

  it('close the preview with Escape and give the focus back', async () => {
    await show();
    await click('export');
    await press('Escape');
    expect(maybe('export-svg')).toBe(null);
    expect(document.activeElement).toBe(find('export'));
  });
});

describe('the name of a file', () => {
  it.each([
    ['ioi.prompt', 'ioi-token-3.svg'],
    ['Routes: my prompt.md', 'Routes-my-prompt-token-3.svg'],
    ['../../etc', 'etc-token-3.svg'],
    ['', 'routes-token-3.svg'],
  ])('%s → %s', (title, name) => {
    expect(fileName(title, 3, 'svg')).toBe(name);
  });
});
