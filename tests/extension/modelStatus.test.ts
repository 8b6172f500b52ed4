import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ModelStatus } from '../../extension/src/status/modelStatus';
import { Signal } from '../../extension/src/signal';
import { wholeText } from './analyses_world';
import { EventEmitter, happens, shown, statusBarItems, Uri, window, workspace } from './vscode.fake';

const PROMPT = documentOf('/p/a.prompt', 'lm-prompt');
const backend = { status: { phase: 'running', health: null, failure: null }, changed: new Signal(), request: vi.fn() };
const choice = { settingsFor: () => ({ model: 'org/set' }), pending: null as object | null, changed: new Signal(), settled: new Signal() }; // prettier-ignore
const panels = { active: () => undefined as object | undefined, all: () => [] as object[] };
let status: ModelStatus;

function documentOf(path: string, languageId: string) {
  return { uri: Uri.file(path), languageId, version: 1, getText: () => 'Hi', offsetAt: () => 0 };
}

function open(document: object): void {
  const editor = { document };
  Object.assign(window, { activeTextEditor: editor, visibleTextEditors: [editor] });
  workspace.textDocuments = [document];
  happens.editors.fire(editor);
}

const item = () => statusBarItems.at(-1);

beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(window, { tabGroups: { all: [{}], onDidChangeTabs: new EventEmitter().event } });
  backend.request.mockImplementation(async () => wholeText('Hi', { start: 0, end: 0 } as never));
  open(PROMPT);
  status = new ModelStatus({ backend, choice, panels, targets: { current: null, changed: new Signal() } } as never);
});

afterEach(() => {
  status.dispose();
  vi.useRealTimers();
  vi.restoreAllMocks();
  backend.request.mockReset();
  Object.assign(window, { activeTextEditor: undefined, visibleTextEditors: [] });
  workspace.textDocuments = [];
  shown.settings = {};
  PROMPT.version = 1;
});

it('the status bar names the chosen model beside a prompt, and nothing beside other files', () => {
  expect(item()).toMatchObject({ text: 'set', isShown: true, command: 'lmTransparency.selectModel' });
  open(documentOf('/p/a.py', 'python'));
  expect(item()?.isShown).toBe(false);
});

it('names the model that the prompt’s file names, and asks once for each version of it', async () => {
  const named = wholeText('Hi', { start: 0, end: 0 } as never);
  backend.request.mockImplementation(async () => ({ ...named, settings: { ...named.settings, model: 'org/named' } }));
  await vi.advanceTimersByTimeAsync(500);
  expect(item()).toMatchObject({ text: 'named', tooltip: expect.stringContaining('This file names its model.') });
  backend.changed.fire(undefined);
  await vi.advanceTimersByTimeAsync(500);
  expect(backend.request).toHaveBeenCalledTimes(1);
  PROMPT.version = 2;
  happens.edit.fire({ document: PROMPT });
  await vi.advanceTimersByTimeAsync(500);
  expect(backend.request).toHaveBeenCalledTimes(2);
});

it('does not start a backend to find out', async () => {
  backend.status.phase = 'stopped';
  PROMPT.version = 3;
  happens.edit.fire({ document: PROMPT });
  await vi.advanceTimersByTimeAsync(500);
  expect(backend.request).not.toHaveBeenCalled();
  backend.status.phase = 'running';
});

it('names the model of a comparison while its panel is in front', () => {
  const panel = { uri: PROMPT.uri, comparison: { source: 'org/other' }, shown: null };
  vi.spyOn(panels, 'active').mockReturnValue(panel);
  happens.editors.fire(undefined);
  expect(item()?.text).toBe('other');
});

it('says that the model is loading, until it is', () => {
  choice.pending = { chosen: { source: 'org/set' } };
  choice.changed.fire(undefined);
  expect(item()?.text).toBe('$(sync~spin) set · loading');
  choice.pending = null;
  choice.settled.fire(undefined);
  expect(item()?.text).toBe('set');
});
