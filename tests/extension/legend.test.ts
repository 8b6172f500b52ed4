import { beforeEach, expect, it } from 'vitest';
import { showLegend } from '../../extension/src/editor/legend';
import type { TokenMarks } from '../../extension/src/editor/tokenMarks';
import type { Surprisal } from '../../extension/src/editor/surprisal';
import { Signal } from '../../extension/src/signal';
import { Uri, window } from './vscode.fake';

const uri = Uri.file('/p/a.prompt');
let item: { text: string };

beforeEach(() => {
  item = { text: '' };
  const editor = { document: { uri } };
  window.visibleTextEditors = [editor];
  Object.assign(window, {
    activeTextEditor: editor,
    createStatusBarItem: () =>
      Object.assign(item, { show: () => undefined, hide: () => undefined, dispose: () => undefined }),
    onDidChangeActiveTextEditor: () => ({ dispose: () => undefined }),
  });
});

it.each([
  ['flow', { target: ' to', model: 'small$(x)', most: 0.37 }, null, 'Flow into ·to: to 37 % · small$\u200b(x)'],
  ['surprisal', null, { model: 'small', most: 8, state: 'known' }, 'Surprisal: to 8.0 bits · small'],
])('the legend says of which model the %s is', (_, flow, surprisal, text) => {
  const heated = new Signal<string>();
  const marks = { heated, flowIn: () => flow } as unknown as TokenMarks;
  showLegend(marks, { changed: new Signal(), shownIn: () => surprisal } as unknown as Surprisal);
  heated.fire(uri.toString());
  expect(item.text).toBe(`$(flame) ${text}`);
});
