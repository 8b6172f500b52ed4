// The structure of the TypeScript code, from its imports: rooms, floors, arrows, circles, the largest files.
// `node scripts/house.mjs [another checkout]`. A room is a folder at the top of a tree, or a file beside those folders.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const repository = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
/** @param {string} text */
const list = (text) => text.trim().split(/\s+/);

/**
 * The declared order of rooms, from the top down: a room imports only rooms later in its list.
 * @type {Record<string, string[]>}
 */
export const ORDER = {
  'extension/src': list(`
    extension commands app live status runs panel editor prompts backend remote models settings setUp link
    words languages failure cancel signal log
  `),
  'extension/shared': list('webview modelName protocol'),
  'webview/src': list(`
    main page notebookFrame mount app answer views inspectors controls graph store groups effects hosts words routes analysis layout
  `),
  'webview/dev': list('dev themes answers refused effects attention views synthetic sparse numbers'),
};
/** The other trees that a tree may import. @type {Record<string, string[]>} */
const TREES = {
  'extension/src': ['extension/shared'],
  'extension/shared': [],
  'webview/src': ['extension/shared'],
  'webview/dev': ['webview/src', 'extension/shared'],
};

export const MOST_LINES = 400;
const WRITTEN = ['extension', 'webview', 'tests', 'scripts', ''];
const GENERATED = new Set(['extension/shared/protocol.ts']);
const SKIPPED = new Set(['node_modules', 'dist', 'build', '__pycache__', 'screenshots']);
const CODE = /(?<!\.d)\.(tsx?|mjs|js)$/;

/**
 * Every module that a file imports, as the compiler parses it, including types, re-exports and `import()`.
 * @param {string} file @param {string} text
 */
export function importsOf(file, text) {
  const kind = file.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  /** @type {Set<string>} */
  const found = new Set();
  /** @param {ts.Node | undefined} node */
  const add = (node) => node && ts.isStringLiteralLike(node) && found.add(node.text);
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier);
    else if (ts.isExternalModuleReference(node)) add(node.expression);
    else if (ts.isImportTypeNode(node)) add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false, kind));
  return [...found];
}

/** The groups of nodes that all reach one another. @param {Map<string, Iterable<string>>} graph */
export function circles(graph) {
  const index = new Map();
  const low = new Map();
  /** @type {string[]} */
  const open = [];
  /** @type {string[][]} */
  const found = [];
  /** @param {string} node */
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    open.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next);
      if (open.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = open.splice(open.indexOf(node));
    if (group.length > 1) found.push(group.sort());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

/** The room of a file as [tree, room]; null outside the trees. @param {string} file @returns {[string, string] | null} */
export function roomOf(file) {
  const tree = Object.keys(ORDER).find((tree) => file.startsWith(`${tree}/`));
  if (!tree) return null;
  const [first = ''] = file.slice(tree.length + 1).split('/');
  return [tree, first.replace(/\.tsx?$/, '')];
}

/** @param {[tree: string, room: string]} place */
const placeOf = ([tree, room]) => ORDER[tree]?.indexOf(room) ?? -1;

/** The reason that one file may not import another; null if it may. @param {string} from @param {string} to */
export function refusal(from, to) {
  const [a, b] = [roomOf(from), roomOf(to)];
  if (!a || !b) return a ? `${from} imports ${to}, which is outside the product` : null;
  if (a[0] !== b[0])
    return TREES[a[0]]?.includes(b[0]) ? null : `${from} imports ${to}: ${a[0]} may not import ${b[0]}`;
  const [above, below] = [placeOf(a), placeOf(b)];
  return above > below && below >= 0 ? `${from} imports ${to}: ${b[1]} is declared above ${a[1]}` : null;
}

/** The structure of a checkout. */
export function readHouse(root = repository) {
  const files = WRITTEN.flatMap((folder) => filesUnder(root, folder));
  const known = new Set(files);
  /** @param {string} from @param {string} name */
  const resolve = (from, name) => {
    const base = path.posix.join(path.posix.dirname(from), name);
    return ['', '.ts', '.tsx', '/index.ts'].map((ending) => base + ending).find((file) => known.has(file));
  };
  const texts = new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));
  /** @type {Map<string, string[]>} */
  const imports = new Map();
  for (const [file, text] of texts) {
    if (!CODE.test(file)) continue;
    const relative = importsOf(file, text).filter((name) => name.startsWith('.'));
    const targets = relative.map((name) => resolve(file, name) ?? '').filter((target) => CODE.test(target));
    imports.set(file, [...new Set(targets)].sort());
  }
  const lines = files.map((file) => ({ file, lines: (texts.get(file) ?? '').split('\n').length - 1 }));
  const against = [...imports].flatMap(([from, targets]) => targets.map((to) => refusal(from, to)).filter(Boolean));
  return {
    imports,
    against,
    circles: circles(imports),
    undeclared: [...imports.keys()].filter((file) => isUndeclared(roomOf(file))),
    largest: lines.filter(({ file }) => !GENERATED.has(file)).sort((a, b) => b.lines - a.lines),
    generated: lines.filter(({ file }) => GENERATED.has(file)),
    trees: Object.keys(ORDER).map((tree) => treeOf(tree, imports, root !== repository)),
  };
}

/** @param {[string, string] | null} place */
const isUndeclared = (place) => place !== null && placeOf(place) < 0;

/** @param {string} root @param {string} folder @returns {string[]} */
function filesUnder(root, folder) {
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return folder === '' || SKIPPED.has(entry.name) ? [] : filesUnder(root, name);
    return /\.(tsx?|css|mjs|js)$/.test(name) ? [name] : [];
  });
}

/**
 * The rooms of one tree, the imports between them (arrows), and the arrows that point back up.
 * @param {string} tree @param {Map<string, string[]>} imports @param {boolean} isElsewhere
 */
function treeOf(tree, imports, isElsewhere) {
  /** @type {Map<string, Set<string>>} */
  const rooms = new Map();
  for (const [from, targets] of imports) {
    const [own, room = ''] = roomOf(from) ?? [];
    if (own !== tree) continue;
    const known = rooms.get(room) ?? new Set();
    rooms.set(room, known);
    for (const [other, target = ''] of targets.map((to) => roomOf(to) ?? []))
      if (other === tree && target !== room) known.add(target);
  }
  const isDeclared = !isElsewhere && [...rooms.keys()].every((room) => placeOf([tree, room]) >= 0);
  const order = (isDeclared && ORDER[tree]) || leastBackUp(rooms);
  /** @param {string} from @param {string} to */
  const isDown = (from, to) => order.indexOf(from) < order.indexOf(to);
  const arrows = [...rooms].flatMap(([from, targets]) => [...targets].map((to) => [from, to]));
  const floors = new Map();
  /** @param {string} room @returns {number} */
  const floorOf = (room) => {
    const under = [...(rooms.get(room) ?? [])].filter((to) => isDown(room, to)).map(floorOf);
    if (!floors.has(room)) floors.set(room, 1 + Math.max(0, ...under));
    return floors.get(room);
  };
  return {
    tree,
    isDeclared,
    nRooms: rooms.size,
    nFloors: Math.max(...[...rooms.keys()].map(floorOf)),
    nArrows: arrows.length,
    backUp: arrows.filter(([from = '', to = '']) => !isDown(from, to)),
    circles: circles(rooms),
  };
}

/**
 * For another checkout, which may be older than the declared order: the order with the fewest arrows back up, of many
 * tried.
 * @param {Map<string, Set<string>>} rooms
 */
function leastBackUp(rooms) {
  const names = [...rooms.keys()];
  /** @param {string} from @param {string} to */
  const imports = (from, to) => (rooms.get(from)?.has(to) ? 1 : 0);
  /** @param {string[]} order */
  const countIn = (order) =>
    order.reduce((sum, to, i) => sum + order.slice(i + 1).reduce((own, from) => own + imports(from, to), 0), 0);
  let [best, fewest] = [names, countIn(names)];
  for (let start = 0; start < names.length; start += 1) {
    const order = [...names.slice(start), ...names.slice(0, start)];
    for (let before = Infinity; before > countIn(order);) {
      before = countIn(order);
      for (const room of names) moveToBest(order, room, imports);
    }
    if (countIn(order) < fewest) [best, fewest] = [order, countIn(order)];
  }
  return best;
}

/**
 * Moves a room to the place where the fewest of its own arrows point back up.
 * @param {string[]} order @param {string} room @param {(from: string, to: string) => number} imports
 */
function moveToBest(order, room, imports) {
  order.splice(order.indexOf(room), 1);
  let [place, least] = [0, Infinity];
  // at the end of the list, all its imports are above it
  let cost = order.reduce((sum, other) => sum + imports(room, other), 0);
  for (let at = order.length; at >= 0; at -= 1) {
    if (cost < least) [place, least] = [at, cost];
    const other = order[at - 1];
    if (other !== undefined) cost += imports(other, room) - imports(room, other);
  }
  order.splice(place, 0, room);
}

/** @param {ReturnType<typeof readHouse>} house */
function print(house) {
  /** @param {(string | number)[]} cells */
  const row = (...cells) =>
    console.log(
      cells
        .map((cell, i) => String(cell).padEnd(i === 0 ? 20 : 9))
        .join('')
        .trimEnd(),
    );
  row('', 'rooms', 'floors', 'arrows', 'back up', 'circles');
  for (const { tree, isDeclared, nRooms, nFloors, nArrows, backUp, circles: around } of house.trees) {
    row(tree, nRooms, nFloors, nArrows, backUp.length, `${around.length}${isDeclared ? '' : '  (in the best order)'}`);
    for (const [from, to] of backUp) console.log(`  back up: ${from} -> ${to}`);
    for (const group of around) console.log(`  circle: ${group.join(' ')}`);
  }
  console.log(`Circles of files: ${house.circles.length}`);
  for (const group of house.circles) console.log(`  ${group.join(' ')}`);
  const long = house.largest.filter(({ lines }) => lines > MOST_LINES).length;
  console.log(`Files past ${MOST_LINES} lines: ${long}; the largest:`);
  for (const { file, lines } of house.largest.slice(0, 10)) console.log(`  ${String(lines).padStart(4)} ${file}`);
  for (const { file, lines } of house.generated) console.log(`  ${String(lines).padStart(4)} ${file} (generated)`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) print(readHouse(process.argv[2]));
