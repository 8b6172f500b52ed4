import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TokenMarks } from '../../extension/src/editor/tokenMarks';
import type { Panel } from '../../extension/src/panel/panel';
import { placeOf } from '../../extension/src/prompts/place';
import { NOTHING_SET } from './analyses_world';
import { ColorThemeKind, happens, Uri, window, workspace } from './vscode.fake';

interface Style {
  options: { backgroundColor?: { id: string }; textDecoration?: string };
  isDisposed: boolean;
}
interface Drawn {
  range: { start: number; end: number };
  hoverMessage?: { value: string };
}

const uri = Uri.file('/a.prompt');
const TOKENS = [
  { start: 0, end: 0, text: '', special: true },
  { start: 0, end: 2, text: 'Hi' },
  { start: 2, end: 6, text: ' you' },
];

let text: string;
let drawn: Map<Style, Drawn[]>;
let marks: TokenMarks;
let panel: Panel;

/** Every stretch that is heated: its text, its colour or line, its hover. */
const heat = () =>
  [...drawn].flatMap(([{ options, isDisposed }, ranges]) => {
    const how = options.textDecoration ?? options.backgroundColor?.id ?? '';
    if (isDisposed || how.includes('selected')) return [];
    return ranges.map(({ range, hoverMessage }) => [text.slice(range.start, range.end), how, hoverMessage?.value]);
  });

function edit(offset: number, removed: number, inserted: string): void {
  text = text.slice(0, offset) + inserted + text.slice(offset + removed);
  const change = { rangeOffset: offset, rangeLength: removed, text: inserted };
  happens.edit.fire({ document: workspace.textDocuments[0], contentChanges: [change] });
}

beforeEach(() => {
  text = 'x\n---\nHi you\n';
  drawn = new Map();
  const document = { uri, getText: () => text, positionAt: (at: number) => at, offsetAt: (at: number) => at };
  workspace.textDocuments = [document];
  const setDecorations = (style: Style, ranges: Drawn[]) => void drawn.set(style, ranges);
  window.visibleTextEditors = [{ document, selection: { active: 0 }, setDecorations, revealRange: vi.fn() }];
  marks = new TokenMarks();
  const found = { text: 'Hi you', chat: false, start: 6, end: 12, settings: NOTHING_SET };
  const place = placeOf({ ...found, pieceAt: [0], pieceFrom: [6], pieceLength: [6] }, text);
  const heading = { prompt: 'Hi you', tokens: TOKENS, target: TOKENS.length - 1 };
  panel = {
    shown: { uri: uri.toString(), place, heading },
    view: null,
    showCursor: vi.fn(),
  } as unknown as Panel;
  marks.link(panel);
});

afterEach(() => {
  marks.dispose();
  window.activeColorTheme.kind = ColorThemeKind.Dark;
});

describe('heat in the editor', () => {
  it('is drawn where the tokens stand, and says how much arrives', () => {
    marks.heat(panel, [0.5, 0.4, 0.1]);
    expect(heat()).toEqual([
      [' you', 'lmTransparency.heat2', '10 % of the flow into ·you arrives here'],
      ['Hi', 'lmTransparency.heat8', '40 % of the flow into ·you arrives here'],
    ]);
    marks.heat(panel, null);
    expect(heat()).toEqual([]);
  });

  it('names the target that is chosen', () => {
    marks.heat(panel, [0, 1, 0]);
    panel.view = { target: 1 } as Panel['view'];
    marks.redraw(panel);
    expect(heat()).toEqual([['Hi', 'lmTransparency.heat8', '100 % of the flow into Hi arrives here']]);
  });

  it('moves with the text before it, and goes when the prompt changes', () => {
    marks.heat(panel, [0, 1, 0]);
    edit(0, 0, 'more ');
    expect(heat().map(([stretch]) => stretch)).toEqual(['Hi']);
    edit(text.indexOf('you'), 3, 'all');
    expect(heat()).toEqual([]);
    // not even the old text brings it back
    edit(text.indexOf('all'), 3, 'you');
    expect(heat()).toEqual([]);
  });

  it('goes with its panel', () => {
    marks.heat(panel, [0, 1, 0]);
    marks.unlink(panel);
    expect(heat()).toEqual([]);
  });

  it('is a line of that thickness in high contrast, also after a change of theme', () => {
    marks.heat(panel, [0, 1, 0.5]);
    window.activeColorTheme.kind = ColorThemeKind.HighContrastLight;
    happens.theme.fire(undefined);
    expect(heat().map(([stretch, how]) => [stretch, how])).toEqual([
      [' you', 'underline 2px'],
      ['Hi', 'underline 4px'],
    ]);
    window.activeColorTheme.kind = ColorThemeKind.Light;
    happens.theme.fire(undefined);
    expect(heat().map(([, how]) => how)).toEqual(['lmTransparency.heat4', 'lmTransparency.heat8']);
  });

  it('is empty for a panel without a linked text', () => {
    marks.heat({} as Panel, [1]);
    expect(heat()).toEqual([]);
  });
});

it('marks go from a document when its panel shows another one', () => {
  marks.heat(panel, [0.5, 0.4, 0.1]);
  expect(heat()).not.toEqual([]);
  Object.assign(panel, { shown: { ...panel.shown, uri: Uri.file('/other.prompt').toString() } });
  marks.link(panel);
  expect(heat()).toEqual([]);
});
