import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Uri } from 'vscode';
import type { PanelEvents } from '../../extension/src/panel/panel';
import { Panels, unlockEmptyGroup } from '../../extension/src/panel/panels';
import type { ResultStore } from '../../extension/src/panel/resultStore';
import { createdPanels, executed, Uri as FakeUri, window } from './vscode.fake';
import manifest from '../../extension/package.json';

const BESIDE = -2;
const uriOf = (name: string) => FakeUri.file(`/p/${name}`) as unknown as Uri;
const columns: number[] = [];

/** Groups of editors, in one of which a text is being edited. */
function lay(nGroups: number, editing: number): void {
  const all = Array.from({ length: nGroups }, (_, index) => ({ viewColumn: index + 1 }));
  Object.assign(window, { tabGroups: { all }, activeTextEditor: { viewColumn: editing } });
}

function newPanels(): Panels {
  const events = {
    ask: vi.fn(),
    told: vi.fn(),
    shown: vi.fn(),
    aimed: vi.fn(),
    measured: vi.fn(),
    disposed: vi.fn(),
    ignored: vi.fn(),
  };
  return new Panels(uriOf('ext'), {} as ResultStore, events as unknown as PanelEvents);
}

beforeEach(() => {
  createdPanels.length = executed.length = columns.length = 0;
  const create = window.createWebviewPanel;
  vi.spyOn(window, 'createWebviewPanel').mockImplementation((type: string, title: string, ...more: unknown[]) => {
    columns.push((more[0] as { viewColumn: number }).viewColumn);
    return create(type, title);
  });
  return () => vi.restoreAllMocks();
});

describe('the panels', () => {
  it('stand in one group beside the prompts, which files stay out of unless one says so', () => {
    const panels = newPanels();
    lay(1, 1);
    panels.open(uriOf('a.prompt'), 'a.prompt');
    lay(2, 1);
    panels.open(uriOf('b.prompt'), 'b.prompt');
    expect(columns).toEqual([BESIDE, 2]);
    expect(executed.map(([command]) => command)).toEqual(['vscode.setEditorLayout']);
    const lock = manifest.contributes.configurationDefaults['workbench.editor.autoLockGroups'];
    expect(lock).toEqual({ 'mainThreadWebview-lmTransparency.routes': true });
  });

  it('take the group that is there, and no third one, for a prompt that came into theirs', () => {
    const panels = newPanels();
    lay(1, 1);
    panels.open(uriOf('a.prompt'), 'a.prompt');
    lay(2, 2);
    panels.open(uriOf('b.prompt'), 'b.prompt');
    expect(columns).toEqual([BESIDE, 1]);
    // files may come there now
    expect(executed.map(([command]) => command)).toContain('workbench.action.unlockEditorGroup');
  });

  it('leave no locked group behind when all is closed', () => {
    const all = [{ tabs: [{}] }, { tabs: [{}] }];
    const looks: (() => void)[] = [];
    const listen = (look: () => void) => (looks.push(look), { dispose: vi.fn() });
    Object.assign(window, { tabGroups: { all, onDidChangeTabs: listen, onDidChangeTabGroups: listen } });
    unlockEmptyGroup();
    const change = () => {
      for (const look of looks) look();
      return executed.map(([command]) => command);
    };
    all.pop();
    expect(change()).toEqual([]);
    all[0]?.tabs.pop();
    expect(change()).toContain('workbench.action.unlockEditorGroup');
  });

  it('open one more where the prompt has the only group', () => {
    const panels = newPanels();
    lay(1, 1);
    panels.open(uriOf('a.prompt'), 'a.prompt');
    for (const panel of createdPanels) panel.viewColumn = 1;
    panels.open(uriOf('b.prompt'), 'b.prompt');
    expect(columns).toEqual([BESIDE, BESIDE]);
  });
});
