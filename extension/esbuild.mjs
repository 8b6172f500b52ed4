// Builds dist/extension.js and gathers what the VSIX needs besides: the webview, the docs, the wheel, licence and changelog.
import { cp, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);
const at = (...parts) => path.join(here, ...parts);
const watch = process.argv.includes('--watch');
const production = process.argv.includes('--production');

const options = {
  entryPoints: [at('src', 'extension.ts')],
  outfile: at('dist', 'extension.js'),
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  // the package's main is UMD, which esbuild cannot follow
  mainFields: ['module', 'main'],
  external: ['vscode'],
  minify: production,
  sourcemap: production ? false : 'linked',
  legalComments: 'none',
  logLevel: 'info',
};

async function exists(file) {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function newestWheel() {
  const found = [];
  for (const folder of [path.join(root, 'dist', 'wheel'), path.join(root, 'dist')]) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!/^lm_transparency-.*\.whl$/.test(name)) continue;
      const file = path.join(folder, name);
      found.push({ file, time: (await stat(file)).mtimeMs });
    }
  }
  return found.sort((a, b) => b.time - a.time)[0]?.file;
}

async function copyWebview() {
  const from = path.join(root, 'webview', 'dist');
  await rm(at('dist', 'webview'), { recursive: true, force: true });
  await mkdir(at('dist', 'webview'), { recursive: true });
  for (const name of ['main.js', 'main.css', 'page.html']) {
    if (await exists(path.join(from, name))) await cp(path.join(from, name), at('dist', 'webview', name));
    else console.warn(`webview/dist/${name} is missing: build the webview first`);
  }
}

// the pages, and of the pictures only those that a page shows
async function copyDocs() {
  const from = path.join(root, 'docs');
  await rm(at('dist', 'docs'), { recursive: true, force: true });
  await mkdir(at('dist', 'docs', 'images'), { recursive: true });
  const pages = (await readdir(from)).filter((name) => name.endsWith('.md'));
  for (const name of pages) await cp(path.join(from, name), at('dist', 'docs', name));
  for (const page of [...pages.map((name) => path.join(from, name)), at('README.md')]) {
    const text = await readFile(page, 'utf8');
    for (const [, picture] of text.matchAll(/\]\((?:\.\.\/docs\/)?(images\/[\w.-]+)\)/g))
      if (await exists(path.join(from, picture))) await cp(path.join(from, picture), at('dist', 'docs', picture));
  }
}

async function copyBackend() {
  await rm(at('backend'), { recursive: true, force: true });
  await mkdir(at('backend'), { recursive: true });
  const wheel = await newestWheel();
  if (wheel) await cp(wheel, at('backend', path.basename(wheel)));
  else console.warn('no wheel in dist/: this build cannot set up the backend');
  const constraints = path.join(root, 'constraints.txt');
  if (await exists(constraints)) await cp(constraints, at('backend', 'constraints.txt'));
}

async function copyPapers() {
  for (const name of ['LICENSE', 'CHANGELOG.md'])
    if (await exists(path.join(root, name))) await cp(path.join(root, name), at(name));
}

await Promise.all([copyWebview(), copyDocs(), copyBackend(), copyPapers()]);
if (watch) await (await context(options)).watch();
else await build(options);
