// Packs the VSIX named on the command line and prints its size by part; with --sizes it only prints.
// .vscodeignore lists what goes in.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import vsce from '@vscode/vsce';

const here = path.dirname(fileURLToPath(import.meta.url));
const MOST_BYTES = 3e6;
/** The first pattern that a file's path matches names its part. @type {[string, RegExp][]} */
const PARTS = [
  ['backend, as a wheel', /^extension\/backend\//],
  ['extension', /^extension\/dist\/extension\.js$/],
  ['panel', /^extension\/dist\/webview\/main\./],
  ['template of an exported page', /^extension\/dist\/webview\//],
  ['documentation: pictures', /^extension\/dist\/docs\/images\//],
  ['documentation: text', /^extension\/dist\/docs\//],
  ['all else', /./],
];

/**
 * The manifest as it is published: `project`, the repository's address, is said once and stands in three places.
 * @param {{ project?: string, [key: string]: unknown }} source
 */
export function published({ project, ...manifest }) {
  if (!project) return manifest;
  const url = project.replace(/\/+$/, '');
  return { ...manifest, homepage: `${url}#readme`, bugs: { url: `${url}/issues` }, repository: { type: 'git', url } };
}

/**
 * The README as it is packed: its pictures are at the project's address, the only place from which VS Code shows them
 * beside an extension. Before there is an address they are files of the VSIX.
 * @param {string} markdown @param {string} project
 */
export function withPictures(markdown, project) {
  const images = project ? `${project.replace(/\/+$/, '')}/raw/HEAD/docs/images/` : 'dist/docs/images/';
  return markdown.replaceAll('](../docs/images/', `](${images}`);
}

/**
 * The files of a zip archive with the bytes that they take in it, out of its central directory.
 * @param {Buffer} archive
 */
export function packedSizes(archive) {
  /** @type {[string, number][]} */
  const sizes = [];
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [name = 0, extra = 0, comment = 0] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset));
    sizes.push([archive.toString('utf8', at + 46, at + 46 + name), archive.readUInt32LE(at + 20)]);
    at += 46 + name + extra + comment;
  }
  return sizes;
}

/** @param {string} target */
async function pack(target) {
  const source = JSON.parse(await readFile(path.join(here, 'package.json'), 'utf8'));
  const folder = await mkdtemp(path.join(tmpdir(), 'vsix-'));
  try {
    for (const file of await vsce.listFiles({ cwd: here, packageManager: vsce.PackageManager.None }))
      await cp(path.join(here, file), path.join(folder, file));
    const readme = await readFile(path.join(here, 'README.md'), 'utf8');
    await writeFile(path.join(folder, 'README.md'), withPictures(readme, source.project));
    await writeFile(path.join(folder, 'package.json'), JSON.stringify(published(source), undefined, 2));
    await mkdir(path.dirname(target), { recursive: true });
    const options = { dependencies: false, rewriteRelativeLinks: false, allowMissingRepository: true };
    await vsce.createVSIX({ cwd: folder, packagePath: target, ...options });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @param {string} target */
async function printParts(target) {
  const archive = await readFile(target);
  const rows = new Map(PARTS.map(([name]) => [name, 0]));
  for (const [file, bytes] of packedSizes(archive)) {
    const [name = ''] = PARTS.find(([, pattern]) => pattern.test(file)) ?? [];
    rows.set(name, (rows.get(name) ?? 0) + bytes);
  }
  /** @param {string} name @param {number} bytes */
  const line = (name, bytes) => console.log(`${name.padEnd(30)}${(bytes / 1e6).toFixed(3).padStart(7)} MB`);
  for (const [name, bytes] of rows) line(name, bytes);
  line(path.basename(target), archive.length);
  if (archive.length > MOST_BYTES) throw new Error(`The VSIX is larger than ${MOST_BYTES / 1e6} MB.`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [target = 'lm-transparency.vsix'] = process.argv.slice(2).filter((argument) => argument !== '--sizes');
  if (!process.argv.includes('--sizes')) await pack(path.resolve(target));
  await printParts(path.resolve(target));
}
