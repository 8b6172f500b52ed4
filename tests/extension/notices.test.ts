import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Uri } from 'vscode';
import type { Notice } from '../../extension/shared/webview';
import { heed } from '../../extension/src/panel/notices';
import type { PageWorld } from '../../extension/src/panel/savePage';
import type { Panel } from '../../extension/src/panel/panel';
import { fileName, filtersFor } from '../../extension/src/panel/save';
import { EFFECTS } from './analyses_world';
import { executed, failing, files, shown, Uri as FakeUri, workspace } from './vscode.fake';

const text = (path: string) => Buffer.from(files.get(path) ?? []).toString();
const marks = { select: vi.fn(), heat: vi.fn() };
const surprisal = { hide: vi.fn() };
const store = { putEffects: vi.fn(() => Promise.resolve()) };
const act = vi.fn();
const log = vi.fn();
const ask = vi.fn((): Promise<unknown> => Promise.resolve({ answers: 'H4sI', count: 1 }));

function tell(notice: Notice, panel: Partial<Panel> = {}): Promise<void> {
  const world = {
    extensionUri: FakeUri.file('/ext') as unknown as Uri,
    ask: ask as PageWorld['ask'],
    marks,
    surprisal,
    store,
    act,
    log,
  };
  const uri = FakeUri.file('/work/ioi.prompt') as unknown as Uri;
  return heed(world, { uri, shown: null, view: null, ...panel } as Panel, notice);
}

beforeEach(() => {
  vi.clearAllMocks();
  files.clear();
  executed.length = 0;
  failing.write = failing.rename = false;
  for (const list of [shown.errors, shown.information, shown.status, shown.saveDialogs]) list.length = 0;
  shown.saveAs = FakeUri.file('/out/graph.svg');
});

const SAVE: Notice = { type: 'save', name: 'ioi.svg', content: '<svg>é</svg>', encoding: 'utf8' };

describe('a file that the panel saves', () => {
  it('is offered beside the prompt, with its kind', async () => {
    await tell(SAVE);
    expect(shown.saveDialogs[0]?.defaultUri.path).toBe('/work/ioi.svg');
    expect(shown.saveDialogs[0]?.filters).toEqual({ 'SVG picture': ['svg'] });
    expect(text('/out/graph.svg')).toBe('<svg>é</svg>');
    expect([...files.keys()]).toEqual(['/out/graph.svg']);
    expect(shown.information).toEqual(['Saved graph.svg.']);
  });

  it('is offered in the workspace for a prompt without a file', async () => {
    workspace.workspaceFolders = [{ uri: FakeUri.file('/workspace') }];
    await tell(SAVE, { uri: FakeUri.parse('untitled:Untitled-1') as unknown as Uri });
    workspace.workspaceFolders = undefined;
    expect(shown.saveDialogs[0]?.defaultUri.path).toBe('/workspace/ioi.svg');
  });

  it('can be bytes', async () => {
    await tell({ ...SAVE, name: 'x.png', content: 'AP88', encoding: 'base64' });
    expect([...(files.get('/out/graph.svg') ?? [])]).toEqual([0, 255, 60]);
  });

  it('is not written if no place is chosen', async () => {
    shown.saveAs = undefined;
    await tell(SAVE);
    expect(files.size).toBe(0);
    expect(shown.errors).toEqual([]);
  });

  it.each([
    ['write', 'The disk is full.'],
    ['rename', 'The file is locked.'],
  ] as const)('leaves what was there, and says why, when it cannot %s', async (step, reason) => {
    files.set('/out/graph.svg', Buffer.from('before'));
    failing[step] = true;
    await tell(SAVE);
    expect([...files.keys()]).toEqual(['/out/graph.svg']);
    expect(text('/out/graph.svg')).toBe('before');
    expect(shown.errors).toEqual([`The file could not be saved: ${reason}`]);
    expect(shown.information).toEqual([]);
  });

  it.each([
    ['ioi.svg', 'ioi.svg'],
    ['../../etc/passwd.CSV', '-..-etc-passwd.csv'],
    ['C:\\x\\y.png', 'C-x-y.png'],
    ['.svg', 'graph.svg'],
    ['con.json', 'graphcon.json'],
    ['a\u0000\nb?.tsv', 'a-b-.tsv'],
    [`${'x'.repeat(300)}.html`, `${'x'.repeat(120)}.html`],
  ])('has a name that is one everywhere: %s', (name, expected) => {
    expect(fileName(name)).toBe(expected);
  });

  it('has a kind when the ending is known', () => {
    expect(filtersFor('a.TSV')).toEqual({ 'Tab-separated values': ['tsv'] });
    expect(filtersFor('a.xyz')).toEqual({});
  });
});

describe('other notices of the panel', () => {
  it('is done by whom it concerns', async () => {
    await tell({ type: 'action', action: 'selectDevice' });
    await tell({ type: 'selected', position: 3 });
    await tell({ type: 'heat', masses: [1] });
    expect(act).toHaveBeenCalledExactlyOnceWith('selectDevice', expect.anything());
    expect(marks.select).toHaveBeenCalledExactlyOnceWith(expect.anything(), 3);
    expect(marks.heat).toHaveBeenCalledExactlyOnceWith(expect.anything(), [1]);
  });

  it('is copied with a word in the status bar', async () => {
    await tell({ type: 'copy', text: 'a\tb' });
    expect(shown.clipboard).toBe('a\tb');
    expect(shown.status).toHaveLength(1);
  });

  it('opens a page of the documentation at its heading', async () => {
    files.set('/ext/dist/docs/inspectors.md', Buffer.from('# Heads'));
    await tell({ type: 'openDocs', address: 'inspectors#heads' });
    expect(executed).toMatchObject([
      ['markdown.showPreview', { path: '/ext/dist/docs/inspectors.md', fragment: 'heads' }],
    ]);
  });

  it('only logs a page that there is not', async () => {
    await tell({ type: 'openDocs', address: 'nowhere' });
    expect(executed).toEqual([]);
    expect(shown.errors).toEqual([]);
    expect(log).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('nowhere'));
  });

  it('saves the page with what is shown', async () => {
    files.set('/ext/dist/webview/page.html', Buffer.from('<b>__LM_TRANSPARENCY_TITLE__</b>__LM_TRANSPARENCY_PAGE__'));
    const metric = { target: '#7', contrast: null };
    const view = { target: 3, threshold: 0.02, selection: 'M1_3', metric } as Panel['view'];
    const result = {
      title: 'ioi.prompt',
      runId: 'r1',
      payload: new Uint8Array([1]),
      effects: EFFECTS,
    } as Panel['shown'];
    await tell({ type: 'savePage' }, { shown: result, view });
    expect(shown.saveDialogs[0]?.defaultUri.path).toBe('/work/ioi.html');
    const [, title, page = ''] = /^<b>(.*)<\/b>(.*)$/.exec(text('/out/graph.svg')) ?? [];
    expect(title).toBe('ioi.prompt');
    const answers = 'H4sI';
    expect(JSON.parse(page)).toEqual({ title, runId: 'r1', payload: 'AQ==', view, effects: EFFECTS, answers });
    const params = { runId: 'r1', target: 3, threshold: 0.02, selection: 'M1_3', named: ['#7'] };
    expect(ask.mock.calls[0]?.slice(1, 2)).toMatchObject([{ method: 'lmTransparency/record', params }]);
  });

  it('saves the page without answers where the backend gives none, and says so', async () => {
    files.set('/ext/dist/webview/page.html', Buffer.from('__LM_TRANSPARENCY_PAGE__'));
    ask.mockRejectedValueOnce(new Error('The backend is offline.'));
    await tell({ type: 'savePage' }, { shown: { title: 'x', payload: new Uint8Array() } as Panel['shown'] });
    expect(JSON.parse(text('/out/graph.svg'))).not.toHaveProperty('answers');
    expect(shown.warnings.at(-1)?.text).toContain('The backend is offline.');
  });

  it('says what goes wrong', async () => {
    await tell({ type: 'savePage' }, { shown: { title: 'x', payload: new Uint8Array() } as Panel['shown'] });
    expect(shown.errors).toEqual(['there is no /ext/dist/webview/page.html']);
  });
});

describe('effects that a panel has found', () => {
  const found = { type: 'effects', runId: 'r1', effects: EFFECTS } as const;

  it('are kept with their run', async () => {
    await tell(found);
    expect(store.putEffects).toHaveBeenCalledExactlyOnceWith('r1', EFFECTS);
    expect(log).not.toHaveBeenCalled();
  });

  it('are no message where they cannot be kept', async () => {
    store.putEffects.mockRejectedValueOnce(new Error('The disk is full.'));
    await tell(found);
    expect(log).toHaveBeenCalledOnce();
    expect(shown.errors).toEqual([]);
  });
});
