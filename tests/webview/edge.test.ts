// @vitest-environment happy-dom
import { h, options, render } from 'preact';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeHeadsResult, HeadResult } from '../../extension/shared/protocol';
import type { Answer, Method, Question, ToWebview } from '../../extension/shared/webview';
import { syntheticAnswer } from '../../webview/dev/answers';
import { setAnalysis } from '../../webview/dev/attention';
import { syntheticPayload } from '../../webview/dev/synthetic';
import type { Host } from '../../webview/src/hosts/host';
import { Inspector } from '../../webview/src/inspectors/inspector';
import { tagsOf } from '../../webview/src/inspectors/heads';
import { ordinal } from '../../webview/src/inspectors/why';
import { decodeAnalysis } from '../../webview/src/analysis/payload';
import { createStore } from '../../webview/src/store/state';
import type { Store } from '../../webview/src/store/state';
import { share } from '../../webview/src/words/words';

const N_TOKENS = 8;
const N_HEADS = 5;
const LAYER = 2;
const QUERY = 6;
const payload = (): ArrayBuffer =>
  syntheticPayload({ nLayers: 4, nTokens: N_TOKENS, nHeads: N_HEADS }).slice().buffer as ArrayBuffer;

/** Answers as the development page does, a moment later, or not at all. */
class PageHost implements Host {
  readonly recording = false;
  readonly inEditor = true;
  readonly asked: Question[] = [];
  silent = false;
  change: (question: Question, answer: Answer) => Answer = (_question, answer) => answer;
  say: (message: ToWebview) => void = () => undefined;
  ask<M extends Method>(question: Question<M>): Promise<Answer<M>> {
    this.asked.push(question as Question);
    if (this.silent) return new Promise(() => undefined);
    return Promise.resolve().then(
      () => this.change(question as Question, syntheticAnswer(question as Question)) as Answer<M>,
    );
  }
  answer(listener: (message: ToWebview) => void): void {
    this.say = listener;
  }
  tell(): void {
    // nothing of this is told
  }
  remember(): void {
    // nor kept
  }
  theme(): () => void {
    return () => undefined;
  }
  of(method: Method): Question[] {
    return this.asked.filter((question) => question.method === method);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const all = (id: string, inside: string): HTMLElement[] => [
  ...document.querySelectorAll<HTMLElement>(`[data-testid="${id}"] ${inside}`),
];
const find = (id: string): HTMLElement => {
  const element = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
  if (!element) throw new Error(`no ${id} in the inspector`);
  return element;
};
const text = (id: string): string => find(id).textContent ?? '';
const rows = (): HTMLElement[] => all('heads', '[data-head]');
const heads = (): number[] => rows().map((row) => Number(row.dataset['head']));
const chosen = (): number[] =>
  rows()
    .filter((row) => row.classList.contains('selected'))
    .map((row) => Number(row.dataset['head']));
const row = (head: number): HTMLElement => {
  const found = rows().find((each) => each.dataset['head'] === String(head));
  if (!found) throw new Error(`no row of head ${head}`);
  return found;
};

// effects run without waiting for a frame that nobody paints
options.requestAnimationFrame = (run) => void setTimeout(run);

describe('an attention edge', () => {
  let host: PageHost;
  let store: Store;
  let stop: () => void;
  let key: number;
  let edge: string;
  let exact: EdgeHeadsResult;
  const ask = <M extends Method>(method: M, params: object): Answer<M> =>
    syntheticAnswer({ method, params: { runId: 'r', ...params } } as unknown as Question) as Answer<M>;
  /** Effects ask, answers render, and their effects may ask again. */
  const settled = async (): Promise<void> => {
    for (let quiet = 0, asked = -1; quiet < 2;) {
      await pause(15);
      quiet = asked === host.asked.length ? quiet + 1 : 0;
      asked = host.asked.length;
    }
  };
  const open = async (name: string): Promise<void> => {
    store.select(name);
    await settled();
  };

  beforeEach(async () => {
    document.body.innerHTML = '<div id="app"></div>';
    host = new PageHost();
    store = createStore(host);
    stop = store.live();
    const analysis = decodeAnalysis(payload());
    setAnalysis(analysis);
    // the strongest key of the row that is not the query itself
    const { rowOffset, columns } = analysis;
    const at = LAYER * N_TOKENS + QUERY;
    const edges = Array.from(
      { length: (rowOffset[at + 1] ?? 0) - (rowOffset[at] ?? 0) },
      (_, i) => (rowOffset[at] ?? 0) + i,
    );
    const strongest = edges
      .filter((e) => columns.edgeKey[e] !== QUERY)
      .sort((a, b) => (columns.edgeWeight[b] ?? 0) - (columns.edgeWeight[a] ?? 0))[0];
    key = columns.edgeKey[strongest ?? 0] ?? 0;
    edge = `attention:I${LAYER - 1}_${key}>A${LAYER}_${QUERY}`;
    exact = ask('lmTransparency/edgeHeads', { layer: LAYER, query: QUERY, key });
    render(h(Inspector, { store }), document.getElementById('app') as HTMLElement);
    host.say({ type: 'analysis', runId: 'r', title: 't', payload: payload(), view: null });
    await settled();
  });
  afterEach(() => {
    stop();
    render(null, document.getElementById('app') as HTMLElement);
  });

  const byContribution = (): number[] =>
    exact.heads.contribution
      .map((value, head) => [value, head] as const)
      .sort((a, b) => b[0] - a[0])
      .map(([, head]) => head);

  it('shows what the analysis knows until the answer is there, and the strongest head either way', async () => {
    host.silent = true;
    await open(edge);
    expect(heads()).toHaveLength(N_HEADS);
    expect(chosen()).toEqual([byContribution()[0]]);
    const pending = () => all('heads', '.figure .pending, .tag .pending').length;
    expect(pending()).toBe(2 * N_HEADS);
    const number = rows()[0]?.querySelector('.number')?.textContent;
    host.silent = false;
    await open('I1_1');
    await open(edge);
    expect(heads()).toEqual(byContribution());
    expect(pending()).toBe(0);
    expect(chosen()).toEqual([byContribution()[0]]);
    expect(rows()[0]?.querySelector('.number')?.textContent).toBe(number);
    expect(store.selection.value).toBe(edge);
  });

  it('lists every head with contribution and probability, and their sum', async () => {
    await open(edge);
    const sum = exact.heads.contribution.reduce((total, value) => total + value, 0);
    expect(find('all-heads').querySelector('.sum')?.textContent).toBe(share(sum));
    expect(text('edge-figures')).toContain(`contribution ${share(sum)}`);
    for (const [head, contribution] of exact.heads.contribution.entries()) {
      expect(row(head).querySelector('.number')?.textContent).toBe(share(contribution));
      expect(row(head).querySelector('.figure')?.textContent).toBe(share(exact.heads.probability[head] ?? -1));
    }
  });

  it('gives the exact weight of an edge that the analysis leaves out', async () => {
    const keys = Array.from({ length: QUERY }, (_, k) => k);
    const faint = keys.find(
      (k) => ask('lmTransparency/edgeHeads', { layer: LAYER, query: QUERY, key: k }).weight < 0.005,
    );
    if (faint === undefined) throw new Error('no faint edge in this row');
    host.silent = true;
    await open(`attention:I1_${faint}>A2_${QUERY}`);
    expect(text('edge-figures')).toContain('≤ 0.005');
    expect(chosen()).toEqual([]);
    host.silent = false;
    await open('I1_1');
    await open(`attention:I1_${faint}>A2_${QUERY}`);
    const { weight } = ask('lmTransparency/edgeHeads', { layer: LAYER, query: QUERY, key: faint });
    expect(text('edge-figures')).toContain(`contribution ${share(weight)} `);
    expect(chosen()).toHaveLength(1);
  });

  it('selects a head, which comes into the history', async () => {
    await open(edge);
    const other = byContribution()[2] ?? 0;
    row(other).click();
    await settled();
    expect(store.selection.value).toBe(`${edge}#${other}`);
    expect(chosen()).toEqual([other]);
    expect(host.of('lmTransparency/attentionMap').at(-1)?.params).toMatchObject({ layer: LAYER, head: other });
    expect(find('map-attention').dataset['head']).toBe(String(other));
    store.travel(-1);
    await settled();
    expect(chosen()).toEqual([byContribution()[0]]);
  });

  it('takes no head that the model does not have', async () => {
    await open(`${edge}#77`);
    expect(chosen()).toEqual([byContribution()[0]]);
  });

  it('shows all heads together until a head or another edge is chosen', async () => {
    await open(edge);
    find('all-heads').click();
    await settled();
    expect(store.selection.value).toBe(edge);
    expect(chosen()).toEqual([]);
    expect(host.of('lmTransparency/attentionMap').at(-1)?.params).toMatchObject({ head: null });
    expect(document.querySelector('[data-testid=why]')).toBe(null);
    await open('attention:I1_0>A2_5');
    expect(chosen()).toHaveLength(1);
    await open(edge);
    row(1).click();
    await settled();
    expect(chosen()).toEqual([1]);
  });

  it('names the strongest measured tag from .2 on, and asks for tags once', async () => {
    await open(edge);
    await open('attention:I1_0>A2_5');
    const asked = host.of('lmTransparency/headTags');
    expect(asked).toHaveLength(1);
    const result = ask('lmTransparency/headTags', {});
    const tagged = heads().map((head) => tagsOf(result, 4, N_HEADS, LAYER, head)[0]);
    const shown = rows().map((each) => each.querySelector('.tag')?.textContent ?? '');
    tagged.forEach((tag, i) => {
      if (!tag) throw new Error('no tags');
      expect(shown[i] === '').toBe(tag[1] < 0.2);
      if (tag[1] >= 0.2) expect(shown[i]).toMatch(new RegExp(`^${tag[0]} \\.?\\d`));
      expect(rows()[i]?.title).toContain(tag[0]);
    });
    expect(shown.join(' ')).not.toContain('first');
  });

  it('opens the cell of a map that is clicked, with the same head', async () => {
    await open(`${edge}#3`);
    const map = find('map-contribution');
    const cell = Number(map.dataset['cell']);
    const click = (query: number, column: number): void => {
      const at = { clientX: (column + 0.5) * cell, clientY: (query + 0.5) * cell };
      map.dispatchEvent(new MouseEvent('click', { bubbles: true, ...at }));
    };
    click(2, 5);
    expect(store.selection.value).toBe(`${edge}#3`);
    click(5, 2);
    await settled();
    expect(store.selection.value).toBe('attention:I1_2>A2_5#3');
    expect(text('map-words')).toMatch(/^from .+ to .+, probability .+, contribution .+$/);
  });

  it('moves the marked cell with the arrows; the selection follows once, when they rest', async () => {
    await open(`${edge}#3`);
    const before = store.history.value.entries.length;
    const map = find('map-attention');
    for (const pressed of ['Home', 'ArrowUp', 'ArrowRight']) {
      map.dispatchEvent(new KeyboardEvent('keydown', { key: pressed, bubbles: true, cancelable: true }));
      await pause(10);
    }
    expect([map.dataset['query'], map.dataset['key']]).toEqual([String(QUERY - 1), '1']);
    expect(store.selection.value).toBe(`${edge}#3`);
    await pause(300);
    expect(store.selection.value).toBe(`attention:I1_1>A2_${QUERY - 1}#3`);
    expect(store.history.value.entries).toHaveLength(before + 1);
  });

  it('asks for the maps of a layer when they are opened, and opens the head that is clicked', async () => {
    await open(edge);
    expect(host.of('lmTransparency/layerMaps')).toHaveLength(0);
    find('maps-toggle').click();
    await settled();
    expect(host.of('lmTransparency/layerMaps')).toHaveLength(1);
    const thumbnails = all('maps', '[data-head]');
    expect(thumbnails.map((each) => each.dataset['head'])).toEqual(['0', '1', '2', '3', '4']);
    expect(thumbnails.every((each) => /\d/.test(each.querySelector('.number')?.textContent ?? ''))).toBe(true);
    thumbnails[4]?.click();
    await settled();
    expect(store.selection.value).toBe(`${edge}#4`);
    expect(all('maps', '.selected').map((each) => each.dataset['head'])).toEqual(['4']);
  });

  it('says why: probability, place in the row, the keys of the row', async () => {
    await open(`${edge}#3`);
    const found = ask('lmTransparency/head', { layer: LAYER, head: 3, query: QUERY, key });
    const { rank, keys } = found;
    expect(text('why-probability')).toBe(share(found.key.probability));
    expect(text('why-rank')).toBe(`${ordinal(rank + 1)} of ${QUERY + 1} keys`);
    const { entropy } = ask('lmTransparency/headEntropy', { layer: LAYER, query: QUERY });
    expect(text('why-entropy')).toBe(entropy[3]?.toFixed(2));
    const numbers = all('why-keys', '.number').map((cell) => cell.textContent);
    expect(numbers).toEqual(keys.map((part) => share(part.contribution)));
    expect(all('why-keys', '.selected')).toHaveLength(1);
    expect(text('why-query')).toContain('reads as');
    all('why-keys', 'button')[1]?.click();
    await settled();
    expect(store.selection.value).toBe(`attention:I1_${keys[1]?.position}>A2_${QUERY}#3`);
  });

  it('shows what the head writes, of all keys or of this one, as the lens is set', async () => {
    const own: Partial<HeadResult> = {
      update: { promoted: [{ id: 1, text: ' whole', logit: 2, probability: null, rankChange: null }], suppressed: [] },
      part: { promoted: [{ id: 2, text: ' part', logit: 1, probability: null, rankChange: null }], suppressed: [] },
    };
    host.change = (question, answer) =>
      question.method === 'lmTransparency/head' ? ({ ...answer, ...own } as Answer) : answer;
    await open(`${edge}#3`);
    expect(text('head-promoted')).toContain('·whole');
    find('part-only').click();
    await settled();
    expect(text('head-promoted')).toContain('·part');
    store.lensNormalized.value = false;
    await settled();
    expect(host.of('lmTransparency/head').at(-1)?.params).toMatchObject({ normalize: false, key, head: 3 });
    expect(document.querySelector('[data-testid=lens-mark]')).toBeNull();
    store.lenses.chosen.value = 'jacobian';
    await settled();
    expect(text('lens-mark')).toBe('Jacobian lens');
    expect(host.of('lmTransparency/head').at(-1)?.params).toMatchObject({ lens: 'jacobian', key, head: 3 });
    expect(find('why-query').title).toContain('by the Jacobian lens');
    find('lens-mark').click();
    expect(store.lenses.name.value).toBe('logit');
  });

  it('says so when an answer cannot be read, and when there is none', async () => {
    host.change = (question, answer) => {
      if (question.method === 'lmTransparency/head') throw new Error('The run has expired.');
      if (question.method !== 'lmTransparency/attentionMap') return answer;
      return { ...answer, probability: { dtype: 'float32', shape: [1, 1], data: '' } } as Answer;
    };
    await open(`${edge}#3`);
    const said = find('inspector').textContent;
    expect(said).toContain('The run has expired.');
    expect(said).toContain('shape 1×1 where 8×8 was expected');
    expect(heads()).toHaveLength(N_HEADS);
  });
});

describe('places', () => {
  it('are counted as people do', () => {
    expect([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal)).toEqual([
      '1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th',
    ]); // prettier-ignore
  });
});
