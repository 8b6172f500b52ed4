import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Uri } from 'vscode';
import type { PanelEvents } from '../../extension/src/panel/panel';
import { Panels, unlockEmptyGroup } from '../../extension/src/panel/panels';
import type { ResultStore } from '../../extension/src/panel/resultStore';
import { createdPanels, executed, TabInputWebview, Uri as FakeUri, window } from './vscode.fake';
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

/** The tab of the panel that was opened last. */
function pin(isPinned: boolean): void {
  const [panel] = createdPanels;
  const tab = { label: panel?.title, isPinned, input: new TabInputWebview('mainThreadWebview-lmTransparency.routes') };
  Object.assign(window, { tabGroups: { all: [{ viewColumn: 1 }, { viewColumn: panel?.viewColumn, tabs: [tab] }] } });
}

describe('the panels', () => {
  it('stand in one group beside the prompts, which files stay out of unless one says so', () => {
    const panels = newPanels();
    lay(1, 1);
    panels.open(uriOf('a.prompt'), 'a.prompt');
    lay(2, 1);
    pin(true);
    panels.open(uriOf('b.prompt'), 'b.prompt');
    expect(columns).toEqual([BESIDE, 2]);
    expect(executed.map(([command]) => command)).toEqual(['vscode.setEditorLayout']);
    const lock = manifest.contributes.configurationDefaults['workbench.editor.autoLockGroups'];
    expect(lock).toEqual({ 'mainThreadWebview-lmTransparency.routes': true });
  });

  it('are one for all prompts: the next one takes it, unless its tab is pinned', () => {
    const panels = newPanels();
    lay(1, 1);
    const panel = panels.open(uriOf('a.prompt'), 'a.prompt');
    lay(2, 1);
    pin(false);
    expect(panels.open(uriOf('b.prompt'), 'b.prompt')).toBe(panel);
    expect(panel.uri?.path).toBe('/p/b.prompt');
    expect(createdPanels.map(({ title }) => title)).toEqual(['Routes: b.prompt']);
    pin(true);
    expect(panels.open(uriOf('c.prompt'), 'c.prompt')).not.toBe(panel);
  });

  it('are not taken while the analysis of their own prompt is under way', () => {
    const panels = newPanels();
    lay(1, 1);
    const panel = panels.open(uriOf('a.prompt'), 'a.prompt');
    panel.showProgress('layer 3', 0.1);
    lay(2, 1);
    expect(panels.open(uriOf('b.prompt'), 'b.prompt')).not.toBe(panel);
  });

  it('move to the group that is there, and to no third one, for a prompt that came into theirs', () => {
    const panels = newPanels();
    lay(1, 1);
    panels.open(uriOf('a.prompt'), 'a.prompt');
    lay(2, 2);
    panels.open(uriOf('b.prompt'), 'b.prompt');
    expect(createdPanels).toHaveLength(1);
    expect(createdPanels[0]?.revealedIn).toBe(1);
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

  it('move to one more group where the prompt has the only one', () => {
    const panels = newPanels();
    lay(1, 1);
    panels.open(uriOf('a.prompt'), 'a.prompt');
    for (const panel of createdPanels) panel.viewColumn = 1;
    panels.open(uriOf('b.prompt'), 'b.prompt');
    expect(createdPanels[0]?.revealedIn).toBe(BESIDE);
  });
});
