import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  LIST_MODELS,
  LIST_PROMPTS,
  type ListPromptsResult,
  LOAD_MODEL,
  PROMPT_AT,
  UNLOAD_MODEL,
} from '../../extension/shared/protocol';
import type { App } from '../../extension/src/app';
import { Failure } from '../../extension/src/failure';
import { choosePrompt } from '../../extension/src/commands/choosePrompt';
import { comparePrompt } from '../../extension/src/commands/comparePrompt';
import { whyNot } from '../../extension/src/commands/whyNot';
import { exportGraph } from '../../extension/src/commands/exportGraph';
import { share } from '../../extension/src/commands/share';
import { hideHeat, nextHeat } from '../../extension/src/commands/heat';
import { selectDevice, selectDtype } from '../../extension/src/commands/selectCompute';
import { ModelChoice } from '../../extension/src/models/modelChoice';
import { loadModel, selectModel } from '../../extension/src/commands/selectModel';
import { checkSettings, storeSetting } from '../../extension/src/settings';
import {
  EndOfLine,
  executed,
  quickPicks,
  Selection,
  shown,
  Uri,
  window,
  workspace,
  type WorkspaceEdit,
} from './vscode.fake';

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
const HEALTH = { devices: [{ id: 'cpu', name: 'x', memoryBytes: 0 }, { id: 'cuda:0', name: 'GPU', memoryBytes: 80e9 }] }; // prettier-ignore

let requests: [method: string, params: object][];
let jobs: { uri: string }[];
let run: ReturnType<typeof vi.fn>;
let recent: string[];
/** The prompts of the file that is open. */
let prompts: ListPromptsResult;
let panels: {
  webviewPanel: { viewColumn: number };
  uri: Uri;
  shown: object;
  export: (format: string) => void;
}[];

function app(loaded: object[] = []): App {
  const choice: ModelChoice = new ModelChoice({
    read: () => checkSettings((key) => shown.settings[key]),
    load: (chosen, cancel) => Promise.resolve(loadModel(made.backend, chosen, cancel)),
    store: storeSetting,
  });
  const request = (method: string, params: object) => {
    if (method === LIST_PROMPTS) return Promise.resolve(prompts);
    if (method === PROMPT_AT) return Promise.reject(new Failure('invalidPrompt', 'There is no prompt here.'));
    requests.push([method, params]);
    return Promise.resolve(method === LIST_MODELS ? { models: [], defaultSource: 'small' } : HEALTH);
  };
  const made = {
    backend: { request, sessionId: 1, status: { health: { loaded } } },
    analyses: { run, jobs },
    panels: { all: () => panels, active: () => undefined },
    targets: { place: () => ({ platform: 'linux', home: '/home/me' }), current: null },
    recent: { list: () => recent, add: (source: string) => Promise.resolve(void recent.unshift(source)) },
    choice,
    live: { follows: () => false },
    log: { warn: vi.fn(), error: vi.fn(), info: vi.fn() },
    extensionUri: Uri.file('/ext'),
  } as unknown as App;
  return made;
}

beforeEach(() => {
  requests = [];
  jobs = [];
  recent = [];
  panels = [];
  run = vi.fn(() => Promise.resolve());
  quickPicks.length = 0;
  shown.settings = {};
  shown.information.length = shown.errors.length = 0;
});

describe('Choose Prompt', () => {
  let text: string;
  let editor: { document: object; selection: Selection; revealRange: () => void };

  function open(marked: string): void {
    const at = Math.max(0, marked.indexOf('|'));
    text = marked.replace('|', '');
    const document = {
      uri: Uri.file('/p.prompt'),
      languageId: 'lm-prompt',
      eol: EndOfLine.LF,
      getText: () => text,
      offsetAt: (position: number) => position,
      positionAt: (offset: number) => offset,
    };
    const parts = text.split('---\n').filter((part) => part !== '');
    const start = parts.map((part) => text.indexOf(part));
    const end = parts.map((part, index) => (start[index] ?? 0) + part.trimEnd().length);
    const active = start.findLastIndex((offset) => offset <= at);
    prompts = { start, end, preview: parts.map((part) => part.trimEnd()), active };
    editor = { document, selection: new Selection(at, at), revealRange: vi.fn() };
    window.visibleTextEditors = [editor];
    Object.assign(window, { activeTextEditor: editor, tabGroups: { all: [], activeTabGroup: {} } });
    Object.assign(workspace, {
      applyEdit: ({ inserts }: WorkspaceEdit) => {
        for (const { at: offset, text: insert } of inserts) text = text.slice(0, offset) + insert + text.slice(offset);
        return Promise.resolve(true);
      },
    });
  }

  it('lists the prompts, the cursor’s active; the chosen one gets the cursor and is analyzed', async () => {
    open('one\n---\ntw|o\n---\nthree\n');
    const done = choosePrompt(app())();
    await settle();
    const [list] = quickPicks;
    expect(list?.items.map(({ label }) => label)).toEqual(['one', 'two', 'three']);
    expect(list?.activeItems.map(({ label }) => label)).toEqual(['two']);
    list?.accepts('three');
    await done;
    expect(editor.selection.active).toBe(text.indexOf('three'));
    expect(run).toHaveBeenCalledExactlyOnceWith({ document: editor.document, selection: editor.selection });
    expect(list?.isDisposed).toBe(true);
  });

  it('adds what is typed as a new prompt and analyzes it', async () => {
    open('one\n');
    const done = choosePrompt(app())();
    await settle();
    quickPicks[0]?.types('two');
    quickPicks[0]?.accepts('$(add)');
    await done;
    expect(text).toBe('one\n---\ntwo\n');
    expect(editor.selection.active).toBe(text.indexOf('two'));
    expect(run).toHaveBeenCalledOnce();
  });

  it('analyzes nothing when the file cannot be changed, or nothing is chosen', async () => {
    open('one\n');
    Object.assign(workspace, { applyEdit: () => Promise.resolve(false) });
    const refused = choosePrompt(app())();
    await settle();
    quickPicks[0]?.types('two');
    quickPicks[0]?.accepts('$(add)');
    await refused;
    expect(shown.errors).toHaveLength(1);
    const left = choosePrompt(app())();
    await settle();
    quickPicks[1]?.hide();
    await left;
    expect(run).not.toHaveBeenCalled();
  });
});

describe('Compare Prompt', () => {
  const uri = Uri.file('/p.prompt');
  const document = { uri, languageId: 'lm-prompt', getText: () => '', offsetAt: (at: number) => at, positionAt: (at: number) => at }; // prettier-ignore

  it.each([
    ['another prompt', 'two', { start: 5, source: null }],
    ['another model', 'Big', { start: 0, source: 'org/big' }],
  ])('shows the prompt of the lens, and beside it %s', async (_, label, { start, source }) => {
    prompts = { start: [0, 5], end: [3, 8], preview: ['one', 'two'], active: 0 };
    workspace.textDocuments = [document];
    const world = app();
    const request = world.backend.request.bind(world.backend);
    const model = { source: 'org/big', name: 'Big', kind: 'cached', sizeBytes: 0, support: 'exact' };
    world.backend.request = (method: string, ...rest: [object, never]) =>
      method === LIST_MODELS ? Promise.resolve({ models: [model], defaultSource: 'small' }) : request(method, ...rest);
    const done = comparePrompt(world)({ uri: uri.toString(), start: 0 });
    await settle();
    await settle();
    const offered = quickPicks[0]?.items.map((item) => item.label);
    expect(offered).toContain('two');
    expect(offered).not.toContain('one');
    quickPicks[0]?.accepts(label);
    await done;
    expect(run.mock.calls).toEqual([
      [{ document, selection: new Selection(0, 0) }],
      [{ document, selection: new Selection(start, start), comparison: { source } }],
    ]);
  });
});

describe('Select Device and Select Precision', () => {
  it('offer what the backend finds, store the choice and let the loaded model go', async () => {
    const done = selectDevice(app([{}]))();
    expect(quickPicks[0]?.items.map(({ label }) => label)).toEqual(['$(check) auto', 'cpu']);
    await settle();
    expect(quickPicks[0]?.items.map(({ label }) => label)).toEqual(['$(check) auto', 'cpu', 'cuda:0', 'auto-map']);
    quickPicks[0]?.accepts('cuda:0');
    expect(await done).toBe(true);
    expect(shown.settings).toEqual({ device: 'cuda:0' });
    expect(requests.map(([method]) => method)).toContain(UNLOAD_MODEL);
  });

  it('leave the model alone when it is not loaded, or nothing changes', async () => {
    shown.choice = 'bfloat16';
    expect(await selectDtype(app())()).toBe(true);
    expect(shown.settings).toEqual({ dtype: 'bfloat16' });
    shown.choice = '$(check) bfloat16';
    expect(await selectDtype(app([{}]))()).toBe(true);
    shown.choice = 'none of them';
    expect(await selectDtype(app([{}]))()).toBe(false);
    expect(requests).toEqual([]);
  });
});

describe('Select Model', () => {
  it('takes what is typed, loads it and remembers it', async () => {
    const done = selectModel(app())();
    await settle();
    quickPicks[0]?.types('org/new');
    quickPicks[0]?.accepts('$(cloud-download)');
    expect(await done).toBe(true);
    expect(requests.at(-1)).toMatchObject([LOAD_MODEL, { source: 'org/new', allowDownload: true }]);
    expect(shown.settings).toEqual({ model: 'org/new' });
    expect(recent).toEqual(['org/new']);
  });
});

describe('Why Not …?', () => {
  const panel = (path: string, more: object = {}) => ({
    ...{
      uri: Uri.file(path),
      comparison: null,
      shown: { uri: Uri.file(path).toString() },
      whyNot: vi.fn(),
      export: vi.fn(),
    },
    webviewPanel: { viewColumn: 2, visible: true },
    ...more,
  });

  it('asks about what is seen where no text is in front, as beside the walkthrough', async () => {
    const [hidden, seen] = [
      panel('/one.prompt', { webviewPanel: { viewColumn: 2, visible: false } }),
      panel('/two.prompt'),
    ];
    panels = [hidden, seen];
    Object.assign(window, { activeTextEditor: undefined });
    await whyNot(app())();
    expect(seen.whyNot).toHaveBeenCalledOnce();
    expect(hidden.whyNot).not.toHaveBeenCalled();
  });
});

describe('Export Graph', () => {
  const panel = (path: string) => ({
    webviewPanel: { viewColumn: 2 },
    uri: Uri.file(path),
    shown: {},
    export: vi.fn(),
  });

  it('asks the panel of the text in front for the format that is chosen', async () => {
    const [one, two] = [panel('/one.prompt'), panel('/two.prompt')];
    panels = [one, two];
    Object.assign(window, { activeTextEditor: { document: { uri: two.uri } } });
    shown.choice = 'CSV';
    await exportGraph(app())();
    expect(two.export).toHaveBeenCalledExactlyOnceWith('csv', 'light');
    await exportGraph(app())('svg');
    expect(two.export).toHaveBeenLastCalledWith('svg', 'light');
    shown.choice = 'PNG, dark';
    await exportGraph(app())();
    expect(two.export).toHaveBeenLastCalledWith('png', 'dark');
    await exportGraph(app())('svg-dark');
    expect(two.export).toHaveBeenLastCalledWith('svg', 'dark');
    expect(one.export).not.toHaveBeenCalled();
  });

  it('says what to do first where nothing is shown', async () => {
    await exportGraph(app())('svg');
    expect(shown.information).toHaveLength(1);
  });
});

describe('Share', () => {
  it('offers the ways of the menu in its words', async () => {
    const uri = Uri.file('/one.prompt');
    const one = { webviewPanel: { viewColumn: 2 }, uri, shown: { title: 'one' }, export: vi.fn() };
    panels = [one];
    shown.choice = 'Attribution graph';
    await share(app())();
    expect(one.export).toHaveBeenCalledExactlyOnceWith('attribution', 'light');
    executed.length = 0;
    for (const choice of ['Save beside the prompt', 'Copy link']) {
      shown.choice = choice;
      await share(app())();
    }
    expect(executed.map(([name]) => name)).toEqual(['lmTransparency.saveRun', 'lmTransparency.copyPromptLink']);
  });

  it('says what to do first where nothing is shown', async () => {
    panels = [];
    await share(app())();
    expect(shown.information.at(-1)).toContain('Analyze a prompt first');
  });
});

describe('Next Heat and Hide Heat', () => {
  it('go from flow to surprisal to none, and none at once', async () => {
    const uri = Uri.file('/a.prompt');
    const document = { uri, offsetAt: () => 4, positionAt: (offset: number) => offset, languageId: 'lm-prompt' };
    const editor = { document, selection: new Selection(4, 4) };
    workspace.textDocuments = [document];
    window.visibleTextEditors = [editor];
    Object.assign(window, { activeTextEditor: editor });
    let [isFlow, isSurprisal] = [false, false];
    const panel = { uri, shown: {}, comparison: null, showHeat: (on: boolean) => void (isFlow = on) };
    const surprisal = {
      shownIn: () => (isSurprisal ? {} : null),
      show: vi.fn(() => Promise.resolve(void (isSurprisal = true))),
      hide: () => void (isSurprisal = false),
    };
    const world = { panels: { all: () => [panel], active: () => undefined }, marks: { isHeated: () => isFlow }, surprisal }; // prettier-ignore
    const next = nextHeat(world as unknown as App);
    const seen: boolean[][] = [];
    for (let press = 0; press < 4; press++) {
      await next();
      seen.push([isFlow, isSurprisal]);
    }
    expect(seen).toEqual([[true, false], [false, true], [false, false], [true, false]]); // prettier-ignore
    expect(surprisal.show).toHaveBeenCalledExactlyOnceWith(document, 4);
    hideHeat(world as unknown as App)();
    expect([isFlow, isSurprisal]).toEqual([false, false]);
  });
});
