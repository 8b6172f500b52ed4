import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PROMPT_AT, type PromptAtParams } from '../../extension/shared/protocol';
import type { App } from '../../extension/src/app';
import { runAction } from '../../extension/src/commands/actions';
import { offerAnalysis } from '../../extension/src/commands/offerAnalysis';
import type { Panel } from '../../extension/src/panel/panel';
import { checkSettings } from '../../extension/src/settings';
import { NOTHING_SET, wholeText } from './analyses_world';
import { commands, Selection, shown, Uri, window, workspace } from './vscode.fake';

const uri = Uri.file('/p/a.prompt');
const document = {
  uri, languageId: 'lm-prompt', getText: () => 'Hi', offsetAt: (at: number) => at, positionAt: (at: number) => at,
}; // prettier-ignore
const editor = { document, selection: new Selection(1, 1) };
const ASKED = {
  source: 'org/old',
  allowDownload: false,
  dtype: 'auto',
  device: 'auto',
  specialTokens: 'auto',
  topK: 10,
};

let run: ReturnType<typeof vi.fn>;
let fileModel: string | null;
let panel: Record<string, unknown>;
let app: App;
let panels: { all: () => unknown[]; active: () => unknown };
let answer: string | undefined;
let offered: string[][];

beforeEach(() => {
  run = vi.fn(() => Promise.resolve());
  fileModel = null;
  offered = [];
  answer = 'Analyze a.prompt';
  shown.status = [];
  window.visibleTextEditors = [editor];
  workspace.textDocuments = [document];
  Object.assign(window, {
    activeTextEditor: editor,
    showInformationMessage: (text: string, ...labels: string[]) => {
      offered.push([text, ...labels]);
      return Promise.resolve(labels.includes(answer ?? '') ? answer : undefined);
    },
  });
  panel = { uri, comparison: null, shown: { asked: ASKED, settings: NOTHING_SET, place: { start: 0 } } };
  panels = { all: () => [panel], active: () => undefined };
  app = {
    backend: {
      sessionId: 1,
      request: (method: string, params: PromptAtParams) =>
        method === PROMPT_AT
          ? Promise.resolve({ ...wholeText('Hi', params), settings: { ...NOTHING_SET, model: fileModel } })
          : Promise.reject(new Error(method)),
    },
    choice: { pending: null, settingsFor: () => checkSettings((key) => (key === 'model' ? 'org/new' : undefined)) },
    live: { follows: () => false },
    analyses: { jobs: [], run },
    panels,
    log: { info: vi.fn() },
  } as unknown as App;
});

describe('after a choice', () => {
  it('the open prompt is offered, and analyzed when one says so', async () => {
    await offerAnalysis(app, 'The model is new now');
    expect(offered).toEqual([['The model is new now.', 'Analyze a.prompt']]);
    expect(run).toHaveBeenCalledExactlyOnceWith({ document, selection: editor.selection });
    answer = undefined;
    await offerAnalysis(app, 'The model is new now');
    expect(run).toHaveBeenCalledOnce();
  });

  it('the prompt of the panel in front is, and one without a panel', async () => {
    Object.assign(window, { activeTextEditor: undefined });
    panels.active = () => panel;
    await offerAnalysis(app, 'x');
    Object.assign(window, { activeTextEditor: editor });
    panels.active = () => undefined;
    panels.all = () => [];
    await offerAnalysis(app, 'x');
    expect(run).toHaveBeenCalledTimes(2);
  });

  it.each<[string, () => void]>([
    ['is being analyzed', () => Object.assign(app.analyses, { jobs: [{ uri: uri.toString() }] })],
    ['follows what is typed', () => Object.assign(app.live, { follows: () => true })],
    ['is shown as it would be now', () => (panel['shown'] = { asked: { ...ASKED, source: 'org/new' } })],
    ['waits for another model', () => Object.assign(app.choice, { pending: {} })],
    ['is none', () => Object.assign(app.backend, { request: () => Promise.reject(new Error('no prompt')) })],
  ])('nothing is offered where the prompt %s: the status bar says what was chosen', async (_, set) => {
    set();
    await offerAnalysis(app, 'The model is new now');
    expect(offered).toEqual([]);
    expect(shown.status).toEqual(['LM Transparency: The model is new now']);
  });

  it('says when a prompt names its own model', async () => {
    fileModel = 'org/old';
    await offerAnalysis(app, 'The model is new now');
    expect(offered).toEqual([['The model is new now. This prompt names its own model: org/old.']]);
    expect(run).not.toHaveBeenCalled();
  });

  it('a settings file that was changed says nothing where nothing is shown of it', async () => {
    panels.all = () => [];
    await offerAnalysis(app, 'The settings have changed', true);
    expect([offered, shown.status]).toEqual([[], []]);
  });

  it('made by a panel’s button, that panel analyzes again, and not twice', async () => {
    const told = vi.spyOn(commands, 'executeCommand').mockResolvedValue(true);
    const chosen = { ...panel, comparison: { source: 'org/other' } } as unknown as Panel;
    await runAction(app, 'selectModel', chosen);
    expect(told).toHaveBeenCalledExactlyOnceWith('lmTransparency.selectModel', 'panel');
    expect([chosen.comparison, run.mock.calls.length]).toEqual([{ source: null }, 1]);
    Object.assign(app.analyses, { jobs: [{ panel: chosen, follows: false }] });
    await runAction(app, 'selectDtype', chosen);
    expect(run).toHaveBeenCalledOnce();
    // what was compared by stays where nothing was chosen
    told.mockResolvedValue(false);
    chosen.comparison = { source: 'org/other' };
    await runAction(app, 'selectModel', chosen);
    expect([chosen.comparison, run.mock.calls.length]).toEqual([{ source: 'org/other' }, 1]);
    told.mockRestore();
  });
});
