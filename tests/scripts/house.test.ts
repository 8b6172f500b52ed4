import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { circles, importsOf, MOST_LINES, readHouse, refusal } from '../../scripts/house.mjs';

const house = readHouse();

describe('the TypeScript house', () => {
  it('has no circle of imports, not even of types', () => {
    expect(house.imports.size).toBeGreaterThan(250);
    expect(house.circles).toEqual([]);
    expect(house.trees.flatMap((tree) => tree.circles)).toEqual([]);
  });

  it('imports downwards only, in the order that scripts/house.mjs declares', () => {
    expect(house.undeclared).toEqual([]);
    expect(house.against).toEqual([]);
    expect(house.trees.flatMap((tree) => tree.backUp)).toEqual([]);
  });

  it(`has no file that is written by hand and longer than ${MOST_LINES} lines`, () => {
    expect(house.largest.filter(({ lines }) => lines > MOST_LINES)).toEqual([]);
  });
});

describe('how the house is read', () => {
  it('finds every way to name another module', () => {
    const text = `
      import a from './a';
      import type { B } from './b';
      import './c.css';
      export * from './d';
      export type { E } from './e';
      const f = await import('./f');
      type G = import('./g').G;
      type H = typeof import('./h');
      import i = require('./i');
      // import './comment'
      const j = "import './text'";
    `;
    const names = ['./a', './b', './c.css', './d', './e', './f', './g', './h', './i'];
    expect(importsOf('some.ts', text)).toEqual(names);
    expect(importsOf('some.tsx', `const word = <p>it's import</p>; export * from './late';`)).toEqual(['./late']);
  });

  it('finds circles, and what only leads into one is no part of it', () => {
    const graph = (edges: Record<string, string[]>) => new Map(Object.entries(edges));
    expect(circles(graph({ a: ['b'], b: ['c'], c: [] }))).toEqual([]);
    expect(circles(graph({ z: ['a'], a: ['b'], b: ['c'], c: ['a', 'd'], d: [] }))).toEqual([['a', 'b', 'c']]);
    expect(circles(graph({ a: ['b'], b: ['a'], c: ['d'], d: ['c', 'a'] }))).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('refuses what points up in a tree, or into a tree that is another product', () => {
    expect(refusal('webview/src/graph/keys.ts', 'webview/src/routes/routes.ts')).toBeNull();
    expect(refusal('webview/src/graph/keys.ts', 'webview/src/graph/marks/pen.ts')).toBeNull();
    expect(refusal('webview/src/routes/routes.ts', 'webview/src/graph/keys.ts')).toMatch('declared above');
    expect(refusal('webview/src/app.tsx', 'extension/shared/webview.ts')).toBeNull();
    expect(refusal('webview/src/app.tsx', 'extension/src/signal.ts')).toMatch('may not import');
    expect(refusal('extension/shared/webview.ts', 'extension/src/signal.ts')).toMatch('may not import');
    expect(refusal('extension/src/signal.ts', 'tests/extension/vscode.fake.ts')).toMatch('outside');
    expect(refusal('tests/extension/place.test.ts', 'extension/src/signal.ts')).toBeNull();
  });

  it('reads any checkout: a circle through a re-export and a type, an undeclared room, a long file', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'house-'));
    const write = (file: string, text: string) => {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    };
    for (const folder of ['tests', 'scripts', 'webview/dev', 'extension/shared'])
      mkdirSync(path.join(root, folder), { recursive: true });
    write('extension/src/signal.ts', `export * from './panel/panel';`);
    write('extension/src/panel/panel.ts', `import type { Signal } from '../signal';`);
    write('extension/src/cellar/wine.ts', '');
    write('webview/src/styles/main.css', '\n'.repeat(MOST_LINES + 1));
    const read = readHouse(root);
    expect(read.circles).toEqual([['extension/src/panel/panel.ts', 'extension/src/signal.ts']]);
    expect(read.against).toEqual([expect.stringMatching('signal.ts imports extension/src/panel/panel.ts')]);
    expect(read.undeclared).toEqual(['extension/src/cellar/wine.ts']);
    expect(read.largest[0]).toEqual({ file: 'webview/src/styles/main.css', lines: MOST_LINES + 1 });
    expect(read.trees[0]).toMatchObject({ nRooms: 3, nArrows: 2, circles: [['panel', 'signal']] });
  });
});
