import { encode } from '@msgpack/msgpack';
import { describe, expect, it, vi } from 'vitest';
import type { Uri, WebviewPanel } from 'vscode';
import type { PromptSettings } from '../../extension/shared/protocol';
import { Failure } from '../../extension/src/failure';
import type { Cancel } from '../../extension/src/cancel';
import { panelHtml } from '../../extension/src/panel/html';
import { Panel, type PanelEvents } from '../../extension/src/panel/panel';
import type { StoredResult } from '../../extension/src/panel/resultStore';
import { EFFECTS, NOTHING_SET } from './analyses_world';
import { FakeWebviewPanel, Uri as FakeUri } from './vscode.fake';

const payloadOf = (runId: string) =>
  encode({
    meta: { format: 1, runId, prompt: 'Hi', model: { name: 'm' }, tokens: [{ start: 0, end: 2 }] },
    columns: {},
  });

const result = (runId: string, settings: Partial<PromptSettings> = {}): StoredResult => ({
  runId, uri: 'file:///a.prompt', title: 'a.prompt', asked: {}, payload: payloadOf(runId), isComparison: false,
  effects: null,
  place: { start: 0, end: 2, at: [0], from: [0], length: [2], digest: '' }, settings: { ...NOTHING_SET, ...settings },
}); // prettier-ignore

const VIEW = {
  runId: 'r1', target: 0, threshold: 0.05, renormalize: false, ink: 'local', selection: 'I0_0', view: 'lens', lens: 'jacobian', heat: true,
  grouping: 'word', opened: [3], layout: { place: 'below', share: 0.4, maximized: null },
} as const; // prettier-ignore
const QUESTION = { method: 'lmTransparency/nodeTokens', params: { runId: 'r1', node: 'I0_0' } };
const ASK = { type: 'ask', id: 1, question: QUESTION };
const ANSWER = { node: 'I0_0' };

function make(events: Partial<PanelEvents> = {}) {
  const fake = new FakeWebviewPanel();
  const all = {
    ask: vi.fn(() => Promise.resolve(ANSWER as never)),
    told: vi.fn(),
    shown: vi.fn(),
    aimed: vi.fn(),
    measured: vi.fn(() => 60),
    fitting: () => null,
    disposed: vi.fn(),
    ignored: vi.fn(),
    ...events,
  };
  const uri = FakeUri.file('/a.prompt') as unknown as Uri;
  const panel = new Panel(
    fake as unknown as WebviewPanel,
    uri,
    FakeUri.file('/ext/dist/webview') as unknown as Uri,
    all,
  );
  return { fake, panel, events: all };
}

const types = (fake: FakeWebviewPanel) => fake.sent.map((message) => (message as { type: string }).type);

describe('the panel', () => {
  it('says nothing before the page is ready, then all it has', () => {
    const { fake, panel } = make();
    panel.showProgress('Loading', 0.5);
    expect(fake.sent).toEqual([]);
    fake.says({ type: 'ready' });
    expect(fake.sent).toEqual([{ type: 'progress', message: 'Loading', fraction: 0.5 }]);
  });

  it('sends an analysis as one tight buffer', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    const [message] = fake.sent as [{ payload: ArrayBuffer; view: unknown }];
    expect(message.payload).toBeInstanceOf(ArrayBuffer);
    expect(new Uint8Array(message.payload)).toEqual(payloadOf('r1').slice());
    expect(message.view).toBeNull();
    expect(panel.shown?.heading).toMatchObject({ prompt: 'Hi', modelName: 'm' });
  });

  it('shows the same again with the view as it was left, when the page comes back', () => {
    const { fake, panel, events } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    fake.says({ type: 'remember', view: VIEW });
    fake.says({ type: 'ready' });
    expect(fake.sent[1]).toMatchObject({ type: 'analysis', runId: 'r1', view: VIEW });
    expect(events.shown).toHaveBeenCalledTimes(2);
  });

  it('keeps slider and switches for the next analysis, not target and selection', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    fake.says({ type: 'remember', view: VIEW });
    panel.showResult(result('r2'));
    expect(fake.sent[1]).toMatchObject({
      runId: 'r2',
      view: {
        threshold: 0.05,
        renormalize: false,
        ink: 'local',
        ...{ view: 'lens', lens: 'jacobian', heat: true },
        grouping: 'word',
        layout: VIEW.layout,
      },
    });
    expect((fake.sent[1] as { view: object }).view).not.toHaveProperty('target');
  });

  it('begins with what the prompt’s file sets, and lets the person move it', () => {
    const { fake, panel } = make();
    const view = (index: number) => (fake.sent[index] as { view: object }).view;
    fake.says({ type: 'ready' });
    panel.showResult(result('r1', { threshold: 0.2, renormalize: false, target: ' a', contrast: ' b' }));
    expect(fake.sent[0]).toMatchObject({
      view: { threshold: 0.2, renormalize: false },
      about: { target: ' a', contrast: ' b' },
    });
    fake.says({ type: 'remember', view: VIEW });
    // the same settings once more are no reason to move the slider back
    panel.showResult(result('r2', { threshold: 0.2, renormalize: false }));
    expect(view(1)).toMatchObject({ threshold: 0.05, ink: 'local' });
    fake.says({ type: 'remember', view: { ...VIEW, runId: 'r2' } });
    panel.showResult(result('r3'));
    expect(view(2)).toMatchObject({ threshold: 'auto', renormalize: true, ink: 'local' });
  });

  it('ignores a view that belongs to another analysis', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r2'));
    fake.says({ type: 'remember', view: VIEW });
    expect(panel.view).toBeNull();
  });

  it('answers questions', async () => {
    const { fake, events } = make();
    fake.says({ type: 'ready' });
    fake.says(ASK);
    await expect.poll(() => fake.sent).toEqual([{ type: 'answer', id: 1, answer: ANSWER, error: null }]);
    expect(events.ask).toHaveBeenCalledOnce();
  });

  it('answers with a sentence when it cannot', async () => {
    const { fake } = make({ ask: () => Promise.reject(new Failure('runExpired', 'It is gone.', 'Analyze again.')) });
    fake.says({ type: 'ready' });
    fake.says(ASK);
    await expect
      .poll(() => fake.sent)
      .toEqual([{ type: 'answer', id: 1, answer: null, error: 'It is gone. Analyze again.' }]);
  });

  it('reports the progress of a question under its id', async () => {
    const { fake } = make({
      ask: (_panel, _question, _cancel, onProgress) => {
        onProgress({ message: 'layer 3', fraction: 0.1 });
        return Promise.resolve(ANSWER as never);
      },
    });
    fake.says({ type: 'ready' });
    fake.says({ ...ASK, id: 7 });
    await expect.poll(() => types(fake)).toEqual(['asking', 'answer']);
    expect(fake.sent[0]).toEqual({ type: 'asking', id: 7, message: 'layer 3', fraction: 0.1 });
  });

  it('cancels the question that is given up, and no other', async () => {
    const given: { id: unknown; cancel: Cancel; finish: (answer: never) => void }[] = [];
    const { fake } = make({
      ask: (_panel, { params }, cancel) =>
        new Promise((finish) => given.push({ id: (params as { node?: string }).node, cancel, finish })),
    });
    fake.says({ type: 'ready' });
    fake.says(ASK);
    fake.says({ type: 'ask', id: 2, question: { ...QUESTION, params: { runId: 'r1', node: 'I1_0' } } });
    fake.says({ type: 'giveUp', id: 1 });
    fake.says({ type: 'giveUp', id: 99 });
    expect(given.map(({ id, cancel }) => [id, cancel.isCancellationRequested])).toEqual([
      ['I0_0', true],
      ['I1_0', false],
    ]);
    for (const { finish } of given) finish(ANSWER as never);
    await expect.poll(() => fake.sent).toEqual([{ type: 'answer', id: 2, answer: ANSWER, error: null }]);
  });

  it('says when another token is the target', () => {
    const { fake, panel, events } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    fake.says({ type: 'remember', view: VIEW });
    fake.says({ type: 'remember', view: { ...VIEW, threshold: 0.1 } });
    expect(events.aimed).toHaveBeenCalledExactlyOnceWith(panel);
    fake.says({ type: 'remember', view: { ...VIEW, target: 1 } });
    expect(events.aimed).toHaveBeenCalledTimes(2);
  });

  it('opens the box for another token with the keyboard in it, at once or when the page is there', () => {
    const { fake, panel } = make();
    panel.showResult(result('r1'));
    panel.whyNot();
    expect(fake.revealed).toBe(1);
    fake.says({ type: 'ready' });
    expect(types(fake)).toEqual(['analysis', 'whyNot']);
    panel.whyNot();
    expect([types(fake).at(-1), fake.revealed]).toEqual(['whyNot', 2]);
  });

  it('asks the page to export at once, or when it is there', () => {
    const { fake, panel } = make();
    panel.showResult(result('r1'));
    panel.export('svg', 'light');
    expect(fake.revealed).toBe(1);
    fake.says({ type: 'ready' });
    expect(types(fake)).toEqual(['analysis', 'export']);
    panel.export('csv', 'light');
    expect(fake.sent.at(-1)).toEqual({ type: 'export', format: 'csv', appearance: 'light' });
    fake.says({ type: 'ready' });
    expect(types(fake)).toEqual(['analysis', 'export', 'export', 'analysis']);
  });

  it('never answers a page that was reloaded with what its predecessor asked', async () => {
    let finish: (answer: never) => void = () => undefined;
    const cancelled = vi.fn();
    const { fake } = make({
      ask: (_panel, _question, cancel) => {
        cancel.onCancellationRequested(cancelled);
        return new Promise((resolve) => (finish = resolve));
      },
    });
    fake.says({ type: 'ready' });
    fake.says(ASK);
    fake.says({ type: 'ready' });
    expect(cancelled).toHaveBeenCalledOnce();
    finish(ANSWER as never);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(types(fake)).not.toContain('answer');
  });

  it('shows a failure with helpful buttons', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showFailure(new Failure('backendMissing', 'Not set up.', 'Set it up.'));
    expect(fake.sent[0]).toMatchObject({
      type: 'failure',
      message: 'Not set up.',
      remedy: 'Set it up.',
      actions: [{ action: 'setUpBackend', label: 'Set Up Backend' }, {}, {}],
    });
  });

  it('never shows a stack trace', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showFailure(new Error('Boom\n    at secret.ts:1'));
    expect(JSON.stringify(fake.sent)).not.toContain('secret.ts');
  });

  it('goes back to the last analysis', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    expect(panel.showLastResult()).toBe(false);
    panel.showResult(result('r1'));
    panel.showProgress('Again', null);
    expect(panel.showLastResult()).toBe(true);
    expect(types(fake)).toEqual(['analysis', 'updating', 'updating']);
  });

  it('says that an interrupted analysis no longer fills in', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    panel.showFilling({ going: true, message: 'layer 2', fraction: 0.3 });
    panel.showProgress('Again', null);
    panel.showLastResult();
    const stopped = { type: 'filling', filling: { going: false, message: '', fraction: null } };
    expect(fake.sent).toContainEqual(stopped);
    fake.says({ type: 'ready' });
    expect(fake.sent.at(-1)).toEqual(stopped);
    // a whole one has nothing to say
    panel.showResult(result('r2'));
    panel.showFilling(null);
    fake.says({ type: 'ready' });
    expect(fake.sent.at(-1)).toMatchObject({ type: 'analysis', runId: 'r2' });
  });

  it('says once that the backend is gone or back, and only beside an analysis', () => {
    const { fake, panel } = make();
    const gone = { type: 'offline', offline: true, message: 'It crashed.' };
    const back = { type: 'offline', offline: false, message: '' };
    fake.says({ type: 'ready' });
    panel.showOffline(true, 'It crashed.');
    panel.showFailure(new Failure('backendStopped', 'It crashed.'));
    expect(types(fake)).toEqual(['failure']);
    panel.showResult(result('r1'));
    expect(fake.sent.at(-1)).toEqual(gone);
    fake.says({ type: 'ready' });
    expect(fake.sent.at(-1)).toEqual(gone);
    panel.showFailure(new Failure('backendStopped', 'It crashed.'));
    expect(fake.sent.at(-1)).toEqual(back);
    panel.showOffline(false, '');
    panel.showOffline(false, '');
    expect(types(fake).filter((type) => type === 'offline')).toHaveLength(3);
  });

  it('passes on notices of the page, and no unknown message', () => {
    const told = vi.fn();
    const { fake, panel, events } = make({ told });
    fake.says({ type: 'action', action: 'cancel' });
    fake.says({ type: 'selected', position: 3 });
    fake.says({ type: 'action', action: 'format' });
    expect(told.mock.calls).toEqual([
      [panel, { type: 'action', action: 'cancel' }],
      [panel, { type: 'selected', position: 3 }],
    ]);
    expect(events.ignored).toHaveBeenCalledOnce();
  });
});

describe('the page', () => {
  const files = { cspSource: 'https://csp.example', script: 'https://x/main.js', style: 'https://x/main.css?a="b' };

  it('allows only its own script and style', () => {
    const html = panelHtml(files, 'NONCE');
    expect(html).toContain("default-src 'none'; script-src 'nonce-NONCE'; style-src https://csp.example 'nonce-NONCE'");
    expect(html).toContain('; img-src data:;');
    expect(html).not.toMatch(/unsafe-|connect-src|img-src[^;]*http/);
    expect(html).toContain('main.css?a=&quot;b');
  });

  it('has a new nonce each time', () => {
    const nonces = new Set(Array.from({ length: 50 }, () => /nonce="([^"]+)"/.exec(panelHtml(files))?.[1]));
    expect(nonces.size).toBe(50);
    for (const nonce of nonces) expect(nonce?.length).toBeGreaterThanOrEqual(32);
  });
});

describe('effects in the panel', () => {
  const found = (runId: string) => ({ type: 'effects', runId, effects: EFFECTS });
  const analyses = (fake: FakeWebviewPanel) =>
    fake.sent.filter((message) => (message as { type: string }).type === 'analysis') as {
      effects: unknown;
      measured: number;
    }[];

  it('from the page are passed on, and sent to it at every ready', () => {
    const { fake, panel, events } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    fake.says(found('r1'));
    expect(events.told).toHaveBeenCalledExactlyOnceWith(panel, found('r1'));
    expect(panel.shown?.effects).toEqual(EFFECTS);
    fake.says({ type: 'ready' });
    expect(analyses(fake).map(({ effects }) => effects)).toEqual([null, EFFECTS]);
  });

  it('that are stored with a run go to the page with it', () => {
    const { fake, panel } = make();
    panel.showResult({ ...result('r1'), effects: EFFECTS });
    fake.says({ type: 'ready' });
    expect(analyses(fake)).toMatchObject([{ effects: EFFECTS, measured: 60 }]);
  });

  it('stay when the rest of the run comes', () => {
    const { fake, panel } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    fake.says(found('r1'));
    panel.showResult(result('r1'));
    expect(panel.shown?.effects).toEqual(EFFECTS);
    fake.says({ type: 'ready' });
    expect(analyses(fake).at(-1)?.effects).toEqual(EFFECTS);
  });

  it('of another run are not heeded, nor shown with the next one', () => {
    const { fake, panel, events } = make();
    fake.says({ type: 'ready' });
    panel.showResult(result('r1'));
    fake.says(found('r1'));
    panel.showEdited(result('r2'));
    fake.says(found('r1'));
    expect(events.told).toHaveBeenCalledOnce();
    expect(panel.shown?.effects).toBeNull();
    expect(analyses(fake).at(-1)?.effects).toBeNull();
  });

  it('have a budget that the page hears of when it changes', () => {
    const measured = vi.fn(() => 60);
    const { fake, panel } = make({ measured });
    panel.showMeasured();
    fake.says({ type: 'ready' });
    panel.showMeasured();
    panel.showResult(result('r1'));
    panel.showMeasured();
    expect(types(fake)).toEqual(['analysis']);
    measured.mockReturnValue(0);
    panel.showMeasured();
    panel.showMeasured();
    expect(fake.sent.slice(1)).toEqual([{ type: 'measured', measured: 0 }]);
    measured.mockReturnValue(20);
    fake.says({ type: 'ready' });
    expect(analyses(fake).map((message) => message.measured)).toEqual([60, 20]);
  });
});
